"""A policy meets the hands that it was trained with, whatever clips it plays."""

import contextlib
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from hoigym.commands import play, train
from hoigym.core.errors import UserError
from hoigym.envs.make import make_env
from hoigym.motions.formats import save_clip
from hoigym.sim.scene.config import SceneConfig
from hoigym.sim.scene.scene import build_scene
from tests.motions.clips import random_clip

OPTIONS = {"agent.horizon": 2, "agent.max_epochs": 1, "agent.hidden_sizes": "[8]", "clone_steps": 0, "guard_frames": 0}
SMALL = [f"--{name}={value}" for name, value in OPTIONS.items()]


def clips(folder: Path, seed: int) -> str:
    """One clip of a walk, with fingers of its own."""
    folder.mkdir()
    save_clip(random_clip(seed, frames=20, skill=10, objects=0), folder / "010_walk_1.npz")
    return str(folder)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run with locked fingers."""
    folder = tmp_path_factory.mktemp("hands")
    walk = ["--task", "locomotion", "--motion_file", clips(folder / "clips", 1), "--num_envs", "4"]
    train.main([*walk, *SMALL, "--env.threads", "1", "--run_dir", str(folder / "run")])
    return folder / "run"


def fingers(argv: list[str]) -> torch.Tensor:
    """Joint rotations of the fingers in the environment that `play` makes."""
    config = play.parse(argv)
    with contextlib.closing(make_env(dataclasses.replace(config.env, threads=1))) as env:
        env.reset(seed=0)
        return env.sim.state.joint_rot[0, list(env.scene.skeleton.finger_joints)]


def test_other_clips_do_not_change_the_hands_of_a_policy(run: Path, tmp_path: Path) -> None:
    of_run = fingers(["--checkpoint", str(run)])
    other = ["--checkpoint", str(run), "--motion_file", clips(tmp_path / "other", 2)]
    assert torch.equal(fingers(other), of_run)
    assert (fingers([*other, "--env.scene.locked_pose", "[]"]) - of_run).abs().max() > 0.1


def test_a_run_that_starts_from_a_policy_has_its_hands(run: Path, tmp_path: Path) -> None:
    of_run = play.parse(["--checkpoint", str(run)]).env.scene.locked_pose
    started, _ = train.parse(["--start_from", str(run), "--motion_file", str(tmp_path)])
    assert len(of_run) == 90
    assert started.env.scene.locked_pose == of_run
    assert train.parse(["--start_from", str(tmp_path)])[0].env.scene.locked_pose == ()


def test_what_is_not_the_pose_of_the_fingers_is_refused() -> None:
    with pytest.raises(UserError, match=r"scene\.locked_pose has 6 numbers; expected 90"):
        build_scene(SceneConfig(hands="locked", locked_pose=(0.1,) * 6))
    scene = build_scene(SceneConfig(hands="locked", locked_pose=tuple(np.linspace(-0.4, 0.4, 90))))
    assert scene.finger_pose == pytest.approx(np.linspace(-0.4, 0.4, 90))
