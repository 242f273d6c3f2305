"""Boxes in flight: they wait without effect, pass on their momentum, and count as neither ground nor object."""

import math

import mujoco
import pytest
import torch
from torch import Tensor

from hoigym.sim.base import Flight, Simulator
from hoigym.sim.env_ids import Rows
from hoigym.sim.mujoco_engine import MujocoSimulator
from hoigym.sim.scene.config import BallConfig, ProjectileConfig, SceneConfig
from hoigym.sim.scene.projectiles import PARKED_ABOVE, parking_places
from hoigym.sim.scene.scene import Scene, build_scene
from tests.sim.starts import assert_same, copy, pick, put, random_targets, standing

ROWS = 3
SUBSET = torch.tensor([False, True, False])


def scene_with(count: int, density: float = 200.0, size: float = 0.3, weightless: bool = False) -> Scene:
    boxes = ProjectileConfig(count=count, density=density, size=size)
    scene = build_scene(SceneConfig(hands="locked", projectiles=boxes))
    if weightless:
        scene.model.opt.gravity[:] = 0.0
    return scene


def flight(pos: Tensor, lin_vel: tuple[float, float, float]) -> Flight:
    """Upright boxes from pos (R, 3), all at the same speed."""
    rows = len(pos)
    quat = torch.tensor([1.0, 0.0, 0.0, 0.0]).expand(rows, 4)
    return Flight(pos=pos, quat=quat, lin_vel=torch.tensor([lin_vel]).expand(rows, 3), ang_vel=torch.zeros(rows, 3))


def launch(sim: Simulator, pos: Tensor, lin_vel: tuple[float, float, float], box: int = 0) -> None:
    """In every row."""
    rows = Rows.of(torch.ones(sim.num_envs, dtype=torch.bool))
    sim.launch(rows, torch.full((sim.num_envs,), box), flight(pos, lin_vel))


def humanoid_momentum(sim: Simulator, before: Tensor, after: Tensor) -> Tensor:
    """Mean momentum (3,) between two generalized positions (nq,), a control step apart."""
    model = sim.scene.model
    data = mujoco.MjData(model)
    root = int(sim.scene.body_ids[0])
    centres = []
    for qpos in (before, after):
        data.qpos[:] = qpos
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        centres.append(torch.from_numpy(data.subtree_com[root].copy()))
    return float(model.body_subtreemass[root]) * (centres[1] - centres[0]) / sim.control_dt


@pytest.mark.parametrize("objects", [(), (BallConfig(),)], ids=["no ball", "ball"])
def test_waiting_boxes_change_nothing(objects: tuple[BallConfig, ...]) -> None:
    """Neither model nor numbers: rows with boxes do bit for bit what rows without do, resets included."""
    sims = [
        MujocoSimulator(
            build_scene(SceneConfig(hands="locked", objects=objects, projectiles=ProjectileConfig(count))), ROWS, 1
        )
        for count in (0, 4)
    ]
    plain, armed = (sim.scene.model for sim in sims)
    for name in ("geom_contype", "geom_conaffinity", "geom_solref", "geom_priority", "body_mass", "jnt_type"):
        ours = getattr(plain, name)
        assert (ours == getattr(armed, name)[: len(ours)]).all(), name
    assert (plain.nq, plain.nsensor) == (armed.nq - 28, armed.nsensor)
    for sim in sims:
        start = standing(sim.scene, ROWS)
        start.object_pos[:] = torch.tensor([0.2, 0.3, 1.2])
        put(sim, start)
    touched = False
    for step, target in enumerate(random_targets(sims[0].scene, ROWS, 80)):
        for sim in sims:
            sim.step(target)
            if step == 40:
                sim.set_state(Rows.of(SUBSET), pick(standing(sim.scene, ROWS), [1]))
        without, with_boxes = (
            {name: value for name, value in copy(sim.state).items() if not name.startswith("projectile")}
            for sim in sims
        )
        assert_same(without, with_boxes)
        touched |= bool(sims[0].state.object_contact.any())
    assert touched == bool(objects)
    assert sims[1].state.projectile_pos[..., 2].min() > PARKED_ABOVE


def test_without_boxes_the_state_has_no_room_for_them() -> None:
    scene = build_scene(SceneConfig(hands="locked"))
    assert scene.num_projectiles == 0
    assert MujocoSimulator(scene, 2, 1).state.projectile_pos.shape == (2, 0, 3)


def test_a_launch_moves_one_box_of_the_selected_rows() -> None:
    sim = MujocoSimulator(scene_with(3), ROWS, 1)
    put(sim, standing(sim.scene, ROWS))
    before = copy(sim.state)
    pos = torch.tensor([[2.0, 1.0, 0.9]])
    turn = torch.tensor([[math.cos(0.5), 0.0, 0.0, math.sin(0.5)]])
    spin = torch.tensor([[1.0, 2.0, 3.0]])
    thrown = Flight(pos=pos, quat=turn, lin_vel=torch.tensor([[-8.0, 1.0, 2.0]]), ang_vel=spin)
    sim.launch(Rows.of(SUBSET), torch.tensor([2]), thrown)
    for name, values in vars(thrown).items():
        assert torch.equal(getattr(sim.state, f"projectile_{name}")[1, 2], values[0])
        before[f"projectile_{name}"][1, 2] = values[0]
    assert_same(copy(sim.state), before)
    sim.step(torch.zeros(ROWS, 52, 3))
    flown = sim.state.projectile_pos[1, 2] - pos[0]
    torch.testing.assert_close(flown, torch.tensor([-8.0, 1.0, 2.0 - 9.81 * 1.5 / 120]) / 60, atol=1e-5, rtol=0)
    torch.testing.assert_close(sim.state.projectile_ang_vel[1, 2], spin[0], atol=1e-4, rtol=0)
    assert (sim.state.projectile_pos[..., 2] > PARKED_ABOVE).sum() == 3 * ROWS - 1


def test_set_state_calls_the_boxes_back() -> None:
    sim = MujocoSimulator(scene_with(2), ROWS, 1)
    put(sim, standing(sim.scene, ROWS))
    launch(sim, torch.tensor([[2.0, 0.0, 1.0]]).expand(ROWS, 3), (0.0, 0.0, 0.0), box=1)
    sim.step(torch.zeros(ROWS, 52, 3))
    sim.set_state(Rows.of(SUBSET), pick(standing(sim.scene, ROWS), [1]))
    waiting = sim.state.projectile_pos[:, 1, 2] > PARKED_ABOVE
    assert waiting.tolist() == SUBSET.tolist()
    places = torch.from_numpy(parking_places(sim.scene.config.projectiles)).float()
    assert torch.equal(sim.state.projectile_pos[1], places)


@pytest.mark.parametrize(("density", "speed"), [(40.0, 10.0), (200.0, 10.0), (200.0, 35.0), (1000.0, 35.0)])
def test_a_hit_comes_in_time_and_passes_momentum_on(density: float, speed: float) -> None:
    """Without weight and floor, what the box loses the humanoid gains, and no box flies through a chest."""
    sim = MujocoSimulator(scene_with(1, density, weightless=True), 1, 1)
    start = standing(sim.scene, 1, height=20.0)
    put(sim, start)
    chest = sim.state.body_pos[0, sim.scene.skeleton.index("Chest")].clone()
    away = torch.tensor([0.0, -4.0, 0.0])
    launch(sim, (chest + away)[None], (0.0, speed, 0.0))
    mass = sim.scene.config.projectiles.mass
    hit, gained, lost = None, torch.zeros(3), torch.zeros(3)
    for step in range(round(60 * 4.0 / speed) + 12):
        before, place = sim.generalized_positions()[0], sim.state.projectile_pos[0, 0].clone()
        sim.step(start.joint_rot)
        gained = humanoid_momentum(sim, before, sim.generalized_positions()[0]).float()
        flown = (sim.state.projectile_pos[0, 0] - place) / sim.control_dt
        lost = mass * (torch.tensor([0.0, speed, 0.0]) - flown)
        if hit is None and sim.state.body_force.abs().max() > 1.0:
            hit = (step + 1) * sim.control_dt
        assert not sim.state.diverged.any()
    # The front of the box is 0.15 m ahead of its middle, the front of the chest up to 0.25 m ahead of its.
    assert hit is not None
    assert 3.6 / speed - sim.control_dt <= hit <= 3.85 / speed + sim.control_dt
    # At such a jolt of the joints the integrator keeps momentum to 2.4 %, at the lightest blow to 0.1 %.
    torch.testing.assert_close(gained, lost, atol=0.03 * mass * speed, rtol=0)
    whole = float(sim.scene.model.body_subtreemass[sim.scene.body_ids[0]])
    assert lost[1] > 0.6 * mass * speed * whole / (whole + mass)  # of what sticking to it would give


def test_boxes_count_as_neither_ground_nor_object() -> None:
    sim = MujocoSimulator(scene_with(2, weightless=True), 1, 1)
    start = standing(sim.scene, 1, height=20.0)
    start.object_pos[:] = torch.tensor([0.0, 0.0, 30.0])
    put(sim, start)
    head = sim.state.body_pos[0, sim.scene.skeleton.index("Head")]
    launch(sim, head + torch.tensor([[0.0, 0.0, 0.22]]), (0.0, 0.0, 0.0))
    launch(sim, torch.tensor([[0.0, 0.0, 30.26]]), (0.0, 0.0, 0.0), box=1)
    sim.step(start.joint_rot)
    assert sim.state.body_force[0].norm(dim=-1).max() > 1.0
    assert sim.state.object_force[0, 0].norm() > 1.0
    assert not sim.state.ground_contact.any()
    assert not sim.state.object_contact.any()


def test_a_box_lies_on_the_floor_and_pushes_the_ball_away() -> None:
    sim = MujocoSimulator(scene_with(1), 1, 1)
    start = standing(sim.scene, 1)
    put(sim, start)
    launch(sim, torch.tensor([[3.0, 0.0, 0.4]]), (8.0, 0.0, 0.0))
    for _ in range(90):
        sim.step(start.joint_rot)
    assert sim.state.object_pos[0, 0, 0] > 5.3
    assert sim.state.projectile_pos[0, 0, 2] == pytest.approx(0.15, abs=0.01)
    assert sim.state.projectile_lin_vel[0, 0].norm() < 1.0


def test_snapshot_continues_bit_for_bit() -> None:
    sim, other = (MujocoSimulator(scene_with(2), ROWS, 1) for _ in range(2))
    put(sim, standing(sim.scene, ROWS))
    targets = random_targets(sim.scene, ROWS, 40, amplitude=0.2)
    for step, target in enumerate(targets[:12]):
        if step in (2, 8):
            launch(sim, torch.tensor([[2.0, 0.0, 1.1]]).expand(ROWS, 3), (-14.0, 0.0, 1.0), box=step // 8)
        sim.step(target)
    snapshot, here = {name: value.clone() for name, value in sim.snapshot().items()}, copy(sim.state)
    after = []
    for target in targets[12:]:
        sim.step(target)
        after.append(copy(sim.state))
    other.restore(snapshot)
    assert_same(copy(other.state), here)
    for target, expected in zip(targets[12:], after, strict=True):
        other.step(target)
        assert_same(copy(other.state), expected)


@pytest.mark.parametrize("broken", ["pos", "lin_vel"])
def test_a_box_that_is_nowhere_is_flagged_and_healed(broken: str) -> None:
    sim = MujocoSimulator(scene_with(1), ROWS, 1)
    put(sim, standing(sim.scene, ROWS))
    thrown = flight(torch.tensor([[2.0, 0.0, 1.0]]), (0.0, 0.0, 0.0))
    mad = Flight(**{**vars(thrown), broken: torch.full((1, 3), math.nan)})
    sim.launch(Rows.of(SUBSET), torch.tensor([0]), mad)
    sim.step(torch.zeros(ROWS, 52, 3))
    assert torch.equal(sim.state.diverged, SUBSET)
    sim.set_state(Rows.of(SUBSET), pick(standing(sim.scene, ROWS), [1]))
    sim.step(torch.zeros(ROWS, 52, 3))
    assert not sim.state.diverged.any()
    assert sim.state.projectile_pos.isfinite().all()


@pytest.mark.parametrize(
    "wrong", [{"count": -1}, {"size": 0.0}, {"density": -5.0}, {"size": math.nan}], ids=lambda wrong: str(wrong)
)
def test_boxes_that_cannot_be(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="projectiles"):
        ProjectileConfig(**wrong)  # pyright: ignore[reportArgumentType]
