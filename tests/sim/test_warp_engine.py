"""Resets, divergence, full buffers, snapshots and devices of engine `mujoco_warp`."""

import math
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hoigym.core.errors import UserError
from hoigym.envs.config import EnvConfig
from hoigym.envs.vector_env import HOIVectorEnv
from hoigym.motions.kinematics import forward_kinematics
from hoigym.sim.base import Simulator
from hoigym.sim.engines import WarpConfig, make_simulator
from hoigym.sim.env_ids import Rows
from hoigym.sim.scene.config import SceneConfig
from hoigym.sim.scene.scene import Scene, build_scene
from tests.sim.starts import assert_same, copy, random_start, random_targets, standing
from tests.sim.warp_sims import DEVICES, engine, make, put, state, step

# Kernels are compiled for half a minute on a fresh machine.
pytestmark = pytest.mark.slow
ROWS = 4
SICK = 2
HEALTHY = [0, 1, 3]


@pytest.fixture(scope="module")
def scene() -> Scene:
    return build_scene(SceneConfig(hands="locked"))


@pytest.fixture(scope="module", params=DEVICES)
def sim(scene: Scene, request: pytest.FixtureRequest) -> Simulator:
    return make(scene, ROWS, request.param)


def flagged(sim: Simulator) -> list[int]:
    return sim.state.diverged.nonzero()[:, 0].tolist()


def test_state_is_read_back_and_bodies_are_fresh(sim: Simulator) -> None:
    start = random_start(sim.scene, ROWS)
    put(sim, start)
    now = state(sim)
    for name, value in copy(start).items():
        assert (now[name] - value).abs().max() <= 1e-6 * max(1.0, float(value.abs().max())), name
    pos, _ = forward_kinematics(sim.scene.skeleton, start.root_pos, start.root_quat, start.joint_rot)
    torch.testing.assert_close(now["body_pos"], pos, rtol=0, atol=1e-5)
    assert not sim.state.diverged.any()


def test_bodies_are_fresh_after_a_step(sim: Simulator) -> None:
    put(sim, random_start(sim.scene, ROWS, seed=1))
    for target in random_targets(sim.scene, ROWS, 3):
        step(sim, target)
        now = state(sim)
        pos, _ = forward_kinematics(sim.scene.skeleton, now["root_pos"], now["root_quat"], now["joint_rot"])
        torch.testing.assert_close(now["body_pos"], pos, rtol=0, atol=1e-5)
        torch.testing.assert_close(now["body_lin_vel"][:, 0], now["root_lin_vel"], rtol=0, atol=1e-4)
        torch.testing.assert_close(now["body_ang_vel"][:, 0], now["root_ang_vel"], rtol=0, atol=1e-4)


def test_a_subset_leaves_the_other_rows_as_they_were(sim: Simulator) -> None:
    put(sim, standing(sim.scene, ROWS))
    for target in random_targets(sim.scene, ROWS, 5):
        step(sim, target)
    before, new = state(sim), random_start(sim.scene, ROWS, seed=4)
    put(sim, new, selected=[1, 3])
    assert_same(before, state(sim), rows=[0, 2])
    torch.testing.assert_close(state(sim)["root_pos"][[1, 3]], new.root_pos[[1, 3]])


def test_setting_no_row_changes_nothing(sim: Simulator) -> None:
    put(sim, standing(sim.scene, ROWS))
    step(sim, torch.zeros(ROWS, 52, 3))
    before = state(sim)
    put(sim, random_start(sim.scene, ROWS), selected=[])
    assert_same(before, state(sim))


def test_every_row_named_but_some_masked_out(scene: Scene) -> None:
    """What `Rows.of` gives on a GPU, here on the CPU: rows outside the mask are not touched."""
    sim = make(scene, ROWS)
    put(sim, standing(scene, ROWS))
    before, new = state(sim), random_start(scene, ROWS, seed=4)
    for value in (new.root_pos, new.joint_vel):
        value[0] = math.nan  # a masked row's start may hold anything
    sim.set_state(Rows(torch.arange(ROWS), torch.tensor([False, True, False, True])), new)
    assert_same(before, state(sim), rows=[0, 2])
    torch.testing.assert_close(state(sim)["root_pos"][[1, 3]], new.root_pos[[1, 3]])


def test_rows_just_set_have_fresh_contacts_and_no_force_yet(sim: Simulator) -> None:
    start = standing(sim.scene, ROWS)
    put(sim, start)
    step(sim, start.joint_rot)
    assert state(sim)["body_force"].abs().amax((1, 2)).min() > 10
    high = standing(sim.scene, ROWS, height=3.0)
    high.root_pos[3, 2] = start.root_pos[3, 2]
    put(sim, high, selected=[1, 3])
    now = state(sim)
    assert now["ground_contact"].any(1).tolist() == [True, False, True, True]
    assert now["body_force"].abs().amax((1, 2)).gt(10).tolist() == [True, False, True, False]


def test_a_reset_row_forgets_its_past(sim: Simulator) -> None:
    put(sim, random_start(sim.scene, ROWS, seed=5))
    for target in random_targets(sim.scene, ROWS, 10):
        step(sim, target)
    put(sim, standing(sim.scene, ROWS))
    for target in random_targets(sim.scene, 1, 10):
        step(sim, target.expand(ROWS, -1, -1))
        now = state(sim)
        for row in range(1, ROWS):
            for name, value in now.items():
                torch.testing.assert_close(value[row], value[0], rtol=1e-4, atol=1e-3, msg=name)


@pytest.mark.parametrize("speed", [1e3, 1e4, 1e6, 1e12, math.inf, math.nan])
def test_blown_up_world_is_flagged_and_healed_and_the_others_go_on(scene: Scene, sim: Simulator, speed: float) -> None:
    targets = random_targets(scene, ROWS, 12)
    histories = []
    counted = int(sim.counters["diverged"])
    for infected in (False, True):
        put(sim, standing(scene, ROWS))
        for target in targets[:4]:
            step(sim, target)
        if infected:
            mad = standing(scene, ROWS)
            mad.root_ang_vel[:] = speed
            put(sim, mad, selected=[SICK])
            assert flagged(sim) == [SICK]
        history = []
        for target in targets[4:]:
            step(sim, target)
            history.append(state(sim))
            assert flagged(sim) == ([SICK] if infected else [])
        histories.append(history)
    for calm, mad in zip(*histories, strict=True):
        for name in calm:
            if sim.device.type == "cpu":
                assert torch.equal(calm[name][HEALTHY], mad[name][HEALTHY]), name
            else:  # sums on a GPU have no fixed order
                torch.testing.assert_close(calm[name][HEALTHY], mad[name][HEALTHY], rtol=1e-2, atol=1e-2)
    assert int(sim.counters["diverged"]) == counted + len(targets) - 4
    put(sim, standing(scene, ROWS), selected=[SICK])
    for target in random_targets(scene, ROWS, 10, amplitude=0.2):
        step(sim, target)
        assert flagged(sim) == []
    assert all(value[SICK].isfinite().all() for value in state(sim).values())


def test_target_that_is_no_number_is_flagged(sim: Simulator) -> None:
    for value in (math.nan, math.inf):
        put(sim, standing(sim.scene, ROWS))
        target = torch.zeros(ROWS, 52, 3)
        target[SICK, 3, 1] = value
        step(sim, target)
        assert flagged(sim) == [SICK]


def test_position_that_is_no_number_is_flagged(sim: Simulator) -> None:
    start = standing(sim.scene, ROWS)
    start.object_pos[SICK, 0, 1] = math.nan
    put(sim, start)
    assert flagged(sim) == [SICK]


@pytest.mark.parametrize(
    ("settings", "kind", "rows"),
    [({"njmax": 8}, "full_constraints", [SICK]), ({"nconmax": 1}, "full_contacts", [0, 1, 2, 3])],
    ids=["constraints", "contacts"],
)
def test_full_buffers_are_flagged_and_counted(
    scene: Scene, settings: dict[str, int], kind: str, rows: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Constraints are short in one row; contacts, which share a buffer, in all of them."""
    monkeypatch.setattr(engine, "_LEAST_ROOM", 0)
    sim = make(scene, ROWS, "cpu", **settings)
    start = standing(scene, ROWS, height=3.0)
    start.root_pos[SICK, 2] = 0.97
    put(sim, start)
    target = torch.zeros(ROWS, 52, 3)
    step(sim, target)
    assert flagged(sim) == rows
    assert int(sim.counters[kind]) == int(sim.counters["diverged"]) == len(rows)
    put(sim, standing(scene, ROWS, height=3.0), selected=[SICK])
    step(sim, target)
    assert flagged(sim) == []
    assert int(sim.counters["diverged"]) == len(rows)


@pytest.mark.parametrize("reset_first", [False, True], ids=["after a step", "after a partial set_state"])
def test_snapshot_continues_bit_for_bit(scene: Scene, reset_first: bool) -> None:
    sim, other = make(scene, ROWS), make(scene, ROWS)
    put(sim, standing(scene, ROWS))
    targets = random_targets(scene, ROWS, 24)
    for target in targets[:12]:
        step(sim, target)
    if reset_first:
        put(sim, standing(scene, ROWS), selected=[1])
    snapshot, here, after = sim.snapshot(), state(sim), []
    kept = {name: value.clone() for name, value in snapshot.items()}
    for target in targets[12:]:
        step(sim, target)
        after.append(state(sim))
    assert all(torch.equal(snapshot[name], kept[name]) for name in kept)  # it is a copy
    for resumed in (other, sim):
        resumed.restore(snapshot)
        assert_same(state(resumed), here)
        for target, expected in zip(targets[12:], after, strict=True):
            step(resumed, target)
            assert_same(state(resumed), expected)


def test_state_tensors_are_updated_in_place(sim: Simulator) -> None:
    addresses = {name: getattr(sim.state, name).data_ptr() for name in copy(sim.state)}
    put(sim, standing(sim.scene, ROWS))
    step(sim, torch.zeros(ROWS, 52, 3))
    assert addresses == {name: getattr(sim.state, name).data_ptr() for name in addresses}


def test_positions_for_drawing(sim: Simulator) -> None:
    put(sim, standing(sim.scene, ROWS))
    qpos = sim.generalized_positions()
    assert qpos.shape == (ROWS, sim.scene.model.nq)
    assert qpos.device.type == "cpu"
    torch.testing.assert_close(qpos[:, :3].float(), state(sim)["root_pos"])
    step(sim, torch.zeros(ROWS, 52, 3))
    assert not torch.equal(qpos, sim.generalized_positions())  # a copy, not a view


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_nothing_waits_for_the_gpu(scene: Scene) -> None:
    """Steps and resets queue up work and never ask for its result, on any stream of torch's."""
    sim, start, target = make(scene, ROWS, "cuda"), standing(scene, ROWS), torch.zeros(ROWS, 52, 3, device="cuda")
    here = type(start)(**{name: value.cuda() for name, value in copy(start).items()})
    rows = Rows.of(torch.tensor([True, False, True, False], device="cuda"))
    put(sim, start)
    expected: list[dict[str, Tensor]] = []
    for stream in (torch.cuda.default_stream(), torch.cuda.Stream()):
        put(sim, start)
        torch.cuda.synchronize()
        with torch.cuda.stream(stream):
            torch.cuda.set_sync_debug_mode("error")
            try:
                for _ in range(5):
                    sim.step(target)
                    sim.set_state(rows, here)
            finally:
                torch.cuda.set_sync_debug_mode("default")
            stream.synchronize()
        expected.append(state(sim))
    for name, value in expected[0].items():
        torch.testing.assert_close(expected[1][name], value, rtol=1e-3, atol=1e-3)


def test_a_first_run_says_that_it_compiles(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make(scene, 1)
    capsys.readouterr()
    make(scene, 1)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(engine.wp.config, "kernel_cache_dir", str(tmp_path))
    engine.announce_compilation(engine.wp.get_device("cpu"))
    assert "compiling" in capsys.readouterr().err


def test_engine_is_made_by_name(scene: Scene) -> None:
    sim = make_simulator("mujoco_warp", scene, 1, warp=WarpConfig(device="cpu"))
    assert isinstance(sim, engine.MujocoWarpSimulator)


@pytest.mark.parametrize("device", ["gpu", "meta", "cuda:99"])
def test_device_that_is_not_there_is_one_line(scene: Scene, device: str) -> None:
    with pytest.raises(UserError, match=f"warp.device: '{device}'"):
        make_simulator("mujoco_warp", scene, 1, warp=WarpConfig(device=device))


def test_missing_package_is_one_line(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "hoigym.sim.mujoco_warp_engine")
    monkeypatch.setitem(sys.modules, "mujoco_warp", None)
    with pytest.raises(UserError, match="mujoco_warp"):
        make_simulator("mujoco_warp", scene, 1)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("task", ["ballplay", "locomotion"])
def test_environment_runs_on_it(device: str, task: str) -> None:
    """Episodes on the bundled clips, with their resets: rewards as from engine `mujoco` until contacts part them."""
    scene = SceneConfig(hands="locked", objects=() if task == "locomotion" else SceneConfig().objects)
    config = {"task": task, "num_envs": 8, "scene": scene, "warp": WarpConfig(device=device)}
    env, expected = (HOIVectorEnv(EnvConfig(engine=name, **config)) for name in ("mujoco_warp", "mujoco"))
    obs, _ = env.reset(seed=0)
    expected.reset(seed=0)
    assert obs.device.type == env.device.type == device
    ended = 0
    for index in range(70):
        obs, reward, terminated, truncated, info = env.step(env.reference_actions())
        theirs = expected.step(expected.reference_actions())
        ended += int((terminated | truncated).sum())
        assert obs.isfinite().all()
        assert not info["diverged"].any()
        if index == 0 and device == "cpu":
            torch.testing.assert_close(reward, theirs[1], rtol=0, atol=1e-3)
    assert ended > 0
    env.close()
