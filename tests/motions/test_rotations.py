"""Rotation helpers: published values, algebra, and the cases near 0 and pi."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from hoigym.motions.rotations import (
    exp_to_quat,
    heading,
    heading_inverse,
    normalize,
    quat_angle,
    quat_conj,
    quat_from_yaw,
    quat_mul,
    quat_rotate,
    quat_rotate_inverse,
    quat_to_exp,
    slerp,
    smooth_signs,
    tan_norm,
    wrap_angle,
)

IDENTITY = torch.tensor([1.0, 0.0, 0.0, 0.0])
# Angles [rad] where naive formulas lose digits, and plain ones.
ANGLES = [0.0, 1e-9, 1e-6, 9e-5, 1.1e-4, 1e-3, 0.1, 1.0, 3.0, math.pi - 1e-3, math.pi - 1e-6]


def random_quats(count: int, seed: int = 0) -> Tensor:
    return normalize(torch.randn(count, 4, generator=torch.Generator().manual_seed(seed)))


def random_vectors(count: int, seed: int = 1) -> Tensor:
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))


def matrix(q: Tensor) -> Tensor:
    """Rotation matrices (N, 3, 3) by turning the three axes."""
    axes = torch.eye(3).expand(len(q), 3, 3)
    return quat_rotate(q[:, None].expand(-1, 3, -1), axes).transpose(1, 2)


def wxyz(xyzw: np.ndarray) -> Tensor:
    return torch.from_numpy(np.roll(xyzw, 1, axis=-1))


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, np.ndarray]:
    with np.load(shared / "golden" / "obs_reward.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files if "quat" in name or name == "exp_map"}


def test_exp_to_quat_equals_published(golden: dict[str, np.ndarray]) -> None:
    ours, theirs = exp_to_quat(torch.from_numpy(golden["exp_map"])), wxyz(golden["exp_map_quat_xyzw"])
    # Rotation vectors longer than pi may give the other sign of the same rotation.
    sign = torch.sign((ours * theirs).sum(-1, keepdim=True))
    assert (ours * sign - theirs).abs().max() < 1e-5


def test_quat_to_exp_equals_published(golden: dict[str, np.ndarray]) -> None:
    ours = quat_to_exp(wxyz(golden["quat_xyzw"]))
    assert (ours - torch.from_numpy(golden["quat_exp_map"])).abs().max() < 1e-5


def test_tan_norm_equals_published(golden: dict[str, np.ndarray]) -> None:
    ours = tan_norm(wxyz(golden["quat_xyzw"]))
    assert (ours - torch.from_numpy(golden["quat_tan_norm"])).abs().max() < 1e-5


def test_heading_equals_published(golden: dict[str, np.ndarray]) -> None:
    ours = heading(wxyz(golden["quat_xyzw"]))
    assert wrap_angle(ours - torch.from_numpy(golden["quat_heading"])).abs().max() < 1e-5


def test_quarter_turn_about_z_maps_x_to_y() -> None:
    q = torch.tensor([math.sqrt(0.5), 0.0, 0.0, math.sqrt(0.5)])
    torch.testing.assert_close(quat_rotate(q, torch.tensor([1.0, 0.0, 0.0])), torch.tensor([0.0, 1.0, 0.0]))
    torch.testing.assert_close(quat_to_exp(q), torch.tensor([0.0, 0.0, math.pi / 2]))
    torch.testing.assert_close(exp_to_quat(torch.tensor([0.0, 0.0, math.pi / 2])), q)


def test_product_applies_the_right_factor_first() -> None:
    a, b, v = random_quats(50, 2), random_quats(50, 3), random_vectors(50)
    torch.testing.assert_close(quat_rotate(quat_mul(a, b), v), quat_rotate(a, quat_rotate(b, v)), rtol=0, atol=2e-6)


def test_product_is_associative_and_conjugate_inverts() -> None:
    a, b, c = random_quats(50, 2), random_quats(50, 3), random_quats(50, 4)
    left, right = quat_mul(quat_mul(a, b), c), quat_mul(a, quat_mul(b, c))
    torch.testing.assert_close(left, right, rtol=0, atol=1e-6)
    torch.testing.assert_close(quat_mul(a, quat_conj(a)), IDENTITY.expand(50, 4), rtol=0, atol=1e-6)


def test_rotation_is_proper_orthogonal() -> None:
    m = matrix(random_quats(50))
    torch.testing.assert_close(m @ m.transpose(1, 2), torch.eye(3).expand(50, 3, 3), rtol=0, atol=2e-6)
    torch.testing.assert_close(torch.linalg.det(m), torch.ones(50), rtol=0, atol=2e-6)


def test_inverse_rotation_undoes_rotation_and_shapes_broadcast() -> None:
    q, v = random_quats(5)[:, None], random_vectors(7)
    turned = quat_rotate(q, v.expand(5, 7, 3))
    assert turned.shape == (5, 7, 3)
    torch.testing.assert_close(quat_rotate_inverse(q, turned), v.expand(5, 7, 3), rtol=0, atol=2e-6)


@pytest.mark.parametrize("angle", ANGLES)
def test_exp_round_trip_keeps_relative_accuracy(angle: float) -> None:
    r = normalize(random_vectors(40)) * angle
    q = exp_to_quat(r)
    assert (q.norm(dim=-1) - 1).abs().max() < 1e-6
    back = quat_to_exp(q)
    assert (back - r).abs().max() <= 1e-6 * max(angle, 1e-30) + 1e-12


@pytest.mark.parametrize("angle", ANGLES)
def test_quat_angle_is_accurate_at_small_and_large_angles(angle: float) -> None:
    q = exp_to_quat(normalize(random_vectors(40)) * angle)
    assert (quat_angle(q) - angle).abs().max() <= 1e-6 * max(angle, 1e-30) + 1e-12
    torch.testing.assert_close(quat_angle(-q), quat_angle(q))


def test_half_turn_keeps_its_angle() -> None:
    for sign in (1.0, -1.0):
        r = quat_to_exp(torch.tensor([0.0, 0.0, sign, 0.0]))
        torch.testing.assert_close(r.abs(), torch.tensor([0.0, math.pi, 0.0]))


def test_long_rotation_vector_comes_back_short() -> None:
    axis = normalize(random_vectors(20))
    torch.testing.assert_close(quat_to_exp(exp_to_quat(axis * 4.0)), axis * (4.0 - 2 * math.pi), rtol=0, atol=5e-6)


def test_quat_to_exp_is_the_same_for_both_signs() -> None:
    q = random_quats(50)
    torch.testing.assert_close(quat_to_exp(-q), quat_to_exp(q))
    assert (quat_to_exp(q).norm(dim=-1) <= math.pi + 1e-6).all()


def test_normalize_leaves_zero_zero() -> None:
    q = torch.tensor([[0.0, 0.0, 0.0, 0.0], [0.0, 3.0, 0.0, 4.0]])
    torch.testing.assert_close(normalize(q), torch.tensor([[0.0, 0.0, 0.0, 0.0], [0.0, 0.6, 0.0, 0.8]]))


def test_heading_is_the_yaw_of_the_x_axis_and_its_inverse_removes_it() -> None:
    q = random_quats(100)
    x = quat_rotate(q, torch.tensor([1.0, 0.0, 0.0]).expand(100, 3))
    torch.testing.assert_close(heading(q), torch.atan2(x[:, 1], x[:, 0]), rtol=0, atol=1e-5)
    turned_x = quat_rotate(quat_mul(heading_inverse(q), q), torch.tensor([1.0, 0.0, 0.0]).expand(100, 3))
    assert turned_x[:, 1].abs().max() < 1e-5
    assert (turned_x[:, 0] >= -1e-6).all()
    torch.testing.assert_close(turned_x[:, 2], x[:, 2], rtol=0, atol=1e-5)


def test_yaw_adds_up() -> None:
    q, yaw = random_quats(100), torch.linspace(-3, 3, 100)
    turned = heading(quat_mul(quat_from_yaw(yaw), q))
    assert wrap_angle(turned - heading(q) - yaw).abs().max() < 1e-5


def test_heading_is_the_z_angle_of_roll_pitch_yaw() -> None:
    roll, pitch, yaw = torch.rand(3, 100, generator=torch.Generator().manual_seed(0)) * 2.8 - 1.4
    zero = torch.zeros(100)
    about_x = exp_to_quat(torch.stack((roll, zero, zero), -1))
    about_y = exp_to_quat(torch.stack((zero, pitch, zero), -1))
    q = quat_mul(quat_from_yaw(yaw), quat_mul(about_y, about_x))
    torch.testing.assert_close(heading(q), yaw, rtol=0, atol=1e-5)


def test_tan_norm_is_the_first_and_last_column() -> None:
    q = random_quats(50)
    m = matrix(q)
    torch.testing.assert_close(tan_norm(q), torch.cat((m[:, :, 0], m[:, :, 2]), -1), rtol=0, atol=2e-6)


def test_slerp_turns_evenly_along_the_short_way() -> None:
    a, b = random_quats(50, 5), random_quats(50, 6)
    for t in (0.0, 0.25, 1.0):
        middle = slerp(a, b, torch.full((50,), t))
        torch.testing.assert_close(
            quat_angle(quat_mul(quat_conj(a), middle)),
            t * quat_angle(quat_mul(quat_conj(a), b)),
            rtol=0,
            atol=2e-6,
        )
        torch.testing.assert_close(matrix(slerp(a, -b, torch.full((50,), t))), matrix(middle), rtol=0, atol=2e-6)


def test_smooth_signs_keeps_rotations_and_makes_neighbours_agree() -> None:
    turn = exp_to_quat(torch.linspace(0, 12, 60)[:, None] * torch.tensor([0.0, 0.0, 1.0]))
    flipped = turn * torch.where(torch.arange(60) % 3 == 0, -1.0, 1.0)[:, None]
    smooth = smooth_signs(flipped)
    assert ((smooth[1:] * smooth[:-1]).sum(-1) > 0).all()
    torch.testing.assert_close(smooth, -turn)


def test_wrap_angle() -> None:
    angles = torch.tensor([0.0, 3.0, 3.5, -3.5, 7.0])
    wrapped = torch.tensor([0.0, 3.0, 3.5 - 2 * math.pi, 2 * math.pi - 3.5, 7.0 - 2 * math.pi])
    torch.testing.assert_close(wrap_angle(angles), wrapped)


def test_double_precision_stays_double() -> None:
    r = random_vectors(20).double()
    q = exp_to_quat(r)
    assert q.dtype == torch.float64
    short = r.norm(dim=-1) < math.pi
    torch.testing.assert_close(quat_to_exp(q)[short], r[short], rtol=0, atol=1e-13)
