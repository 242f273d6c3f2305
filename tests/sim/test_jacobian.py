"""Dense and sparse constraint algebra agree: MuJoCo 4.0.0 has a sparse Cholesky bug that some models meet."""

import mujoco
import numpy as np
import pytest
import torch

from hoigym.sim.mujoco_engine import MujocoSimulator
from hoigym.sim.scene.config import SceneConfig
from hoigym.sim.scene.scene import build_scene
from tests.sim.starts import put, random_targets, standing


@pytest.mark.parametrize("self_collision", [False, True])
def test_dense_equals_sparse(self_collision: bool) -> None:
    scene = build_scene(SceneConfig(self_collision=self_collision))
    rows, worst, compared = 8, 0.0, 0
    sim = MujocoSimulator(scene, rows)
    start = standing(scene, rows, height=0.99)
    start.object_pos[:, 0] = torch.tensor([0.2, 0.3, 1.6])
    put(sim, start)
    data = mujoco.MjData(scene.model)
    for target in random_targets(scene, rows, 50, amplitude=0.6):
        sim.step(target)
        for row in range(rows):
            accelerations = []
            for jacobian in (mujoco.mjtJacobian.mjJAC_DENSE, mujoco.mjtJacobian.mjJAC_SPARSE):
                scene.model.opt.jacobian = jacobian
                mujoco.mj_resetData(scene.model, data)
                data.qpos[:] = sim.generalized_positions()[row]
                data.ctrl[:] = target[row, scene.free_joints].flatten()
                mujoco.mj_step(scene.model, data)
                accelerations.append(data.qvel.copy())
                compared += data.nefc > 0
            worst = max(worst, float(np.abs(accelerations[0] - accelerations[1]).max()))
    assert compared > 200
    assert worst < 1e-8
