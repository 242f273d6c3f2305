import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hoigym.envs.observation import (
    OBJECT_WIDTH,
    humanoid_observation,
    humanoid_width,
    object_observation,
    observation_slices,
)
from hoigym.motions.rotations import normalize, quat_from_yaw, quat_mul, quat_rotate

N, B, K = 5, 53, 2


@pytest.fixture(scope="module")
def golden(shared) -> dict[str, Tensor]:
    arrays = np.load(shared / "golden" / "obs_reward.npz", allow_pickle=False)
    return {name: torch.from_numpy(arrays[name]) for name in arrays if arrays[name].dtype.kind in "fi"}


def wxyz(xyzw: Tensor) -> Tensor:
    return xyzw[..., [3, 0, 1, 2]]


def random_humanoid() -> dict[str, Any]:
    generator = torch.Generator().manual_seed(3)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    return {
        "body_pos": normal(N, B, 3),
        "body_quat": normalize(normal(N, B, 4)),
        "body_lin_vel": normal(N, B, 3),
        "body_ang_vel": normal(N, B, 3),
        "fingertip_force": 100 * normal(N, 10, 3),
    }


def random_objects(count: int = K) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(4)
    vectors = torch.randn((3, N, count, 3), generator=generator)
    return {
        "object_pos": vectors[0],
        "object_quat": normalize(torch.randn((N, count, 4), generator=generator)),
        "object_lin_vel": vectors[1],
        "object_ang_vel": vectors[2],
    }


def root_of(humanoid: dict[str, Tensor]) -> dict[str, Any]:
    return {"root_pos": humanoid["body_pos"][:, 0], "root_quat": humanoid["body_quat"][:, 0]}


def moved(values: dict[str, Tensor]) -> dict[str, Any]:
    """The same world, every row turned about the vertical by its own angle and shifted over the ground."""
    turn = quat_from_yaw(torch.linspace(-3.0, 2.5, N))
    shift = torch.stack((torch.linspace(-40, 70, N), torch.linspace(9, -30, N), torch.zeros(N)), dim=1)
    result = {}
    for name, value in values.items():
        each = turn if value.dim() == 2 else turn[:, None].expand(-1, value.shape[1], -1)
        turned = quat_mul(each, value) if name.endswith("quat") else quat_rotate(each, value)
        if name.endswith("pos"):
            turned = turned + (shift if value.dim() == 2 else shift[:, None])
        result[name] = turned
    return result


def test_published_humanoid_block(golden):
    block = humanoid_observation(
        golden["body_pos"],
        wxyz(golden["body_rot_xyzw"]),
        golden["body_vel"],
        golden["body_ang_vel"],
        golden["contact_forces"][:, golden["contact_body_ids"]],
        force_frame="world",
    )
    torch.testing.assert_close(block, golden["humanoid_obs"], atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("objects", "expected"),
    [(["object_state"], "object_obs"), (["object_state", "object2_state"], "two_object_obs")],
)
def test_published_object_blocks(golden, objects, expected):
    root, states = golden["root_state"], torch.stack([golden[name] for name in objects], dim=1)
    block = object_observation(
        root[:, :3],
        wxyz(root[:, 3:7]),
        states[..., :3],
        wxyz(states[..., 3:7]),
        states[..., 7:10],
        states[..., 10:13],
    )
    torch.testing.assert_close(block, golden[expected], atol=1e-5, rtol=0)


def test_turning_and_moving_the_world_changes_nothing():
    humanoid, objects = random_humanoid(), random_objects()
    elsewhere, objects_there = moved(humanoid), moved(objects)
    torch.testing.assert_close(
        humanoid_observation(**elsewhere), humanoid_observation(**humanoid), atol=1e-4, rtol=1e-5
    )
    torch.testing.assert_close(
        object_observation(**root_of(elsewhere), **objects_there),
        object_observation(**root_of(humanoid), **objects),
        atol=1e-4,
        rtol=1e-5,
    )


def test_a_push_is_seen_in_the_heading_frame_unless_the_released_one_is_asked_for():
    humanoid = random_humanoid()
    humanoid["body_quat"][:, 0] = quat_from_yaw(torch.full((N,), math.pi / 2))
    humanoid["fingertip_force"][:] = torch.tensor([0.0, 50.0, 7.0])
    tips = observation_slices(B, 0)["fingertip_force"]
    seen = humanoid_observation(**humanoid)[:, tips].view(N, 10, 3)
    released = humanoid_observation(**humanoid, force_frame="world")[:, tips].view(N, 10, 3)
    torch.testing.assert_close(seen, torch.tensor([50.0, 0.0, 7.0]).expand(N, 10, 3), atol=1e-5, rtol=0)
    assert torch.equal(released, humanoid["fingertip_force"])


def test_slices_hold_what_they_name():
    humanoid, objects = random_humanoid(), random_objects()
    humanoid["body_quat"][:, 0] = quat_from_yaw(torch.full((N,), math.pi))  # facing -x: x and y change sign
    flip = torch.tensor([-1.0, -1.0, 1.0])
    observation = torch.cat(
        (humanoid_observation(**humanoid), object_observation(**root_of(humanoid), **objects)), dim=1
    )
    at = observation_slices(B, K)
    root = humanoid["body_pos"][:, :1]
    expected = {
        "root_height": root[:, 0, 2:],
        "body_pos": (humanoid["body_pos"][:, 1:] - root) * flip,
        "body_lin_vel": humanoid["body_lin_vel"] * flip,
        "body_ang_vel": humanoid["body_ang_vel"] * flip,
        "object0_pos": (objects["object_pos"][:, 0] - root[:, 0] * torch.tensor([1.0, 1.0, 0.0])) * flip,
        "object1_lin_vel": objects["object_lin_vel"][:, 1] * flip,
        "object1_ang_vel": objects["object_ang_vel"][:, 1] * flip,
    }
    for name, value in expected.items():
        torch.testing.assert_close(observation[:, at[name]], value.flatten(1), atol=1e-5, rtol=1e-5)
    axes = observation[:, at["body_rot"]].view(N, B, 2, 3)
    for column, axis in enumerate(([1.0, 0.0, 0.0], [0.0, 0.0, 1.0])):
        image = quat_rotate(humanoid["body_quat"], torch.tensor(axis).expand(N, B, 3)) * flip
        torch.testing.assert_close(axes[:, :, column], image, atol=1e-5, rtol=1e-5)


def test_slices_cover_the_observation_without_gaps():
    slices = observation_slices(B, 1, condition=64, history=3)
    ends = [0]
    for part in slices.values():
        assert part.start == ends[-1]
        ends.append(part.stop)
    assert ends[-1] == 905  # the published width with skill label and history
    assert list(slices)[-2:] == ["condition", "history"]
    assert slices["fingertip_force"].stop == humanoid_width(53) == 823
    assert humanoid_width(61) == 943


def test_empty_object_slots_are_zero():
    root, objects = root_of(random_humanoid()), random_objects()
    padded = object_observation(**root, **objects, slots=4)
    assert padded.shape == (N, 4 * OBJECT_WIDTH)
    assert torch.equal(padded[:, : K * OBJECT_WIDTH], object_observation(**root, **objects))
    assert not padded[:, K * OBJECT_WIDTH :].any()
    assert torch.equal(object_observation(**root, **random_objects(0), slots=1), torch.zeros(N, OBJECT_WIDTH))
    assert object_observation(**root, **random_objects(0)).shape == (N, 0)


def test_too_few_object_slots_are_refused():
    with pytest.raises(ValueError, match="2 objects do not fit into 1"):
        object_observation(**root_of(random_humanoid()), **random_objects(), slots=1)


def test_lying_with_the_x_axis_vertical_still_observes():
    humanoid = random_humanoid()
    humanoid["body_quat"][:, 0] = torch.tensor([math.sqrt(0.5), 0.0, -math.sqrt(0.5), 0.0])
    assert humanoid_observation(**humanoid).isfinite().all()
