"""Reward: how well a step imitates its reference.

Two nodes: a body that should touch nothing, and an object that a hand should or should not hold.

Every reward is made of terms exp(-weight * error), each 1 at a perfect match. A term whose weight is 0 is
neither computed nor reported. Errors are means over all numbers compared, so they do not grow with the number
of bodies or objects.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from hoigym.motions.rotations import quat_to_exp
from hoigym.motions.state import BodyState


def masked_reward(reward: Tensor, masked: Tensor, clip: Tensor, num_clips: int) -> Tensor:
    """Rewards (N,) with the masked rows' replaced: there is no reference to compare them with.

    A masked row gets the mean over the unmasked rows on its clip; where there is none, over all unmasked
    rows; where there is none either, 0. SkillMimic-V2, masked nodes of the stitched trajectory graph.

    Args:
        reward: (N,).
        masked: (N,) bool, rows that wait in buffer nodes or whose reference frame is missing.
        clip: (N,) long, clip that the row follows.
        num_clips: M.
    """
    counted = (~masked).to(reward.dtype)
    kept = torch.where(masked, 0.0, reward)
    sums = reward.new_zeros(num_clips).index_add_(0, clip, kept)
    counts = reward.new_zeros(num_clips).index_add_(0, clip, counted)
    overall = kept.sum() / counted.sum().clamp_min(1.0)
    means = torch.where(counts > 0, sums / counts.clamp_min(1.0), overall)
    return torch.where(masked, means[clip], reward)


# --- The contact graph of the reward: who touches what --------------------------------------------------------------


class Contacts(NamedTuple):
    """Nodes of the contact graph.

    body: (N,) bool, a body that must stay free touches something. object: (N, K) bool, the object is held.
    """

    body: Tensor
    object: Tensor


def pair_contacts(ground_contact: Tensor, object_contact: Tensor, contact_free: Tensor, hands: Tensor) -> Contacts:
    """Contact graph from the engine's contact pairs.

    Args:
        ground_contact: (N, B) bool, body touches the ground.
        object_contact: (N, B, K) bool, body touches object.
        contact_free: (C,) long, bodies that should touch nothing.
        hands: (H,) long, bodies that hold objects.
    """
    on_ground = ground_contact.index_select(1, contact_free).any(1)
    on_object = object_contact.index_select(1, contact_free).flatten(1).any(1)
    return Contacts(on_ground | on_object, object_contact.index_select(1, hands).any(1))


def force_rule_contacts(
    body_force: Tensor, object_force: Tensor, contact_free: Tensor, threshold: float = 0.1
) -> Contacts:
    """Contact graph guessed from net contact forces, the rule of the published system.

    A body touches where any component of its force reaches the threshold. An object is held where a
    horizontal component of its force exceeds it; the vertical one is left out, for the floor pushes upwards.

    Args:
        body_force: (N, B, 3) world [N].
        object_force: (N, K, 3) world [N].
        contact_free: (C,) long, bodies that should touch nothing.
        threshold: [N].
    """
    body = (body_force.index_select(1, contact_free).abs() >= threshold).flatten(1).any(1)
    return Contacts(body, (object_force[..., :2].abs() > threshold).any(-1))


# --- How well a step imitates its reference -------------------------------------------------------------------------


_BODY_TERMS = ("p", "r", "rv", "smooth")

RotationDifference = Literal["rotation", "exp_map"]


@dataclass(frozen=True)
class RewardWeights:
    """Weight of each term's error; 0 switches it off. Defaults: SkillMimic (arXiv 2408.15270), ball play.

    The term of weight `p` is reported as `r_p`, and so on.
    """

    p: float = 20.0
    """Root and key body positions [1/m^2]."""
    r: float = 20.0
    """Root and joint rotations [1/rad^2]."""
    rv: float = 0.0
    """Joint velocities [s^2/rad^2]."""
    smooth: float = 0.1
    """Change of velocity where a joint rests in the reference; not in the papers, but in their code."""
    op: float = 1.0
    """Object positions [1/m^2]."""
    orot: float = 0.0
    """Object rotations, as quaternion components."""
    opv: float = 0.0
    """Object linear velocities [s^2/m^2]."""
    orv: float = 0.0
    """Object angular velocities [s^2/rad^2]."""
    ig: float = 20.0
    """Interaction graph: vectors from the objects to root and key bodies [1/m^2]."""
    cg_body: float = 5.0
    """Contact graph: a body touches something that it should not (cg1)."""
    cg_object: float = 5.0
    """Contact graph: an object is held when it should not be, or the other way round (cg2)."""

    def __post_init__(self) -> None:
        """Raises ValueError for a negative weight, which would pay for errors."""
        if negative := [name for name, weight in vars(self).items() if not weight >= 0]:
            raise ValueError(f"reward.weights.{negative[0]} {getattr(self, negative[0]):g}: expected 0 or more")


SKILLMIMIC_WEIGHTS = RewardWeights()
DEEPMIMIC_WEIGHTS = RewardWeights(p=40.0, r=2.0, rv=0.1, smooth=0.0, op=40.0, ig=0.0, cg_body=0.0, cg_object=0.0)


class TrackedState(BodyState, Protocol):
    """What is compared: a BodyState with object_quat (N, K, 4) and object_ang_vel (N, K, 3)."""

    @property
    def object_quat(self) -> Tensor: ...
    @property
    def object_ang_vel(self) -> Tensor: ...


class ReferenceState(TrackedState, Protocol):
    """A TrackedState with the contact label (N, K): 1 where the object is held."""

    @property
    def contact(self) -> Tensor: ...


class Reward(NamedTuple):
    """total: (N,). terms: name -> (N,), those with a weight."""

    total: Tensor
    terms: dict[str, Tensor]


@dataclass(frozen=True)
class RewardFunction:
    """A way to put the terms together, and the weights published for it.

    combine: "product" gives a reward in 0 .. 1, "sum" one in 0 .. number of terms.
    """

    combine: Literal["product", "sum"]
    weights: RewardWeights

    def __call__(
        self,
        state: TrackedState,
        reference: ReferenceState,
        *,
        contacts: Contacts,
        previous_joint_vel: Tensor,
        object_free: Tensor,
        key_bodies: Tensor,
        joints: Tensor | None = None,
        weights: RewardWeights | None = None,
        rotation_difference: RotationDifference = "rotation",
    ) -> Reward:
        """Reward of N rows.

        Args:
            state: rows after the step.
            reference: frames that the step should have led to; their first K objects are the state's.
            contacts: from `pair_contacts` or `force_rule_contacts`.
            previous_joint_vel: (N, J, 3) of the state one step earlier [rad/s].
            object_free: (N,) bool, rows whose skill has no object: only p, r, rv and smooth count.
            key_bodies: (P,) long, bodies whose positions count.
            joints: (Q,) long, joints that count; all when left out. (Locked fingers cannot follow.)
            weights: of the terms; the published ones when left out.
            rotation_difference: "rotation" compares rotations by the angle between them. "exp_map" subtracts
                exp-maps (and object quaternions, whatever their sign), as published: it jumps where a
                rotation passes half a turn. The two agree for turns about the axis of the rotation itself
                and, to first order, near the identity; across that axis exp-maps of a rotation by a differ
                more, by the factor (a / 2) / sin(a / 2), hence differently in every heading.

        Raises:
            ValueError: fewer objects in the reference than in the state.
        """
        weights = self.weights if weights is None else weights
        errors = _errors(state, reference, contacts, previous_joint_vel, key_bodies, joints, rotation_difference)
        absent = 1.0 if self.combine == "product" else 0.0
        terms = _terms(errors, weights, object_free, absent)
        if not terms:
            return Reward(torch.full_like(state.root_pos[:, 0], absent), {})
        stacked = torch.stack(list(terms.values()))
        return Reward(stacked.prod(0) if self.combine == "product" else stacked.sum(0), terms)

    def share(self, reward: Tensor, terms: Mapping[str, Tensor], object_free: Tensor) -> Tensor:
        """Rewards (N,) with these terms as a share of the best one: 1, or for a sum the number of terms that count.

        object_free: (N,) bool, as in the call.
        """
        if self.combine == "product":
            return reward
        of_objects = sum(name.removeprefix("r_") not in _BODY_TERMS for name in terms)
        return reward / (len(terms) - of_objects * object_free.to(reward.dtype))


skillmimic_reward = RewardFunction("product", SKILLMIMIC_WEIGHTS)
"""Unified HOI imitation reward (SkillMimic, arXiv 2408.15270; ids without object as in SkillMimic-V2)."""

deepmimic_reward = RewardFunction("sum", DEEPMIMIC_WEIGHTS)
"""The baseline of SkillMimic-V2 after DeepMimic, 0 .. 4."""

REWARDS: Mapping[str, RewardFunction] = {"skillmimic": skillmimic_reward, "deepmimic": deepmimic_reward}


def object_free_rows(skill: Tensor, skills: Sequence[int]) -> Tensor:
    """Rows (N,) bool whose skill (N,) is one of `skills`, those without an object."""
    free = torch.zeros_like(skill, dtype=torch.bool)
    for without in skills:
        free = free | (skill == without)
    return free


def _terms(
    errors: Mapping[str, Callable[[], Tensor]], weights: RewardWeights, object_free: Tensor, absent: float
) -> dict[str, Tensor]:
    """exp(-weight * error) where there is a weight; `absent` in rows without an object."""
    used = {name: weight for name, weight in asdict(weights).items() if weight and name in errors}
    if not used:
        return {}
    # All at once: on a GPU many small operations cost more than one large one.
    table = torch.stack([-weight * errors[name]() for name, weight in used.items()]).exp_()
    # RewardWeights lists the terms of objects one after the other.
    of_objects = [place for place, name in enumerate(used) if name not in _BODY_TERMS]
    if of_objects:
        first, last = of_objects[0], of_objects[-1]
        table[first : last + 1].masked_fill_(object_free, absent)
    return {f"r_{name}": term for name, term in zip(used, table, strict=True)}


def _errors(
    state: TrackedState,
    reference: ReferenceState,
    contacts: Contacts,
    previous_joint_vel: Tensor,
    key_bodies: Tensor,
    joints: Tensor | None,
    rotation_difference: RotationDifference,
) -> dict[str, Callable[[], Tensor]]:
    """Error (N,) of every term, computed when asked for; no object terms where there is no object."""

    def tracked(values: Tensor) -> Tensor:
        return values if joints is None else values.index_select(1, joints)

    objects = state.object_pos.shape[1]
    if reference.object_pos.shape[1] < objects:
        raise ValueError(f"{objects} objects, but the reference has {reference.object_pos.shape[1]}")
    points = _points(state, key_bodies) - _points(reference, key_bodies)
    moved = state.object_pos - reference.object_pos[:, :objects]
    velocity, wanted_velocity = tracked(state.joint_vel), tracked(reference.joint_vel)
    rotations = _ROTATION_ERRORS[rotation_difference]
    object_rotations = _OBJECT_ROTATION_ERRORS[rotation_difference]
    errors: dict[str, Callable[[], Tensor]] = {
        "p": lambda: _mean_square(points),
        "r": lambda: rotations(
            state.root_quat, tracked(state.joint_rot), reference.root_quat, tracked(reference.joint_rot)
        ),
        "rv": lambda: _mean_square(velocity - wanted_velocity),
        "smooth": lambda: _jerkiness(velocity - tracked(previous_joint_vel), wanted_velocity),
        "cg_body": lambda: contacts.body.to(points.dtype),
    }
    if objects:
        errors |= {
            "op": lambda: _mean_square(moved),
            "orot": lambda: object_rotations(state.object_quat, reference.object_quat[:, :objects]),
            "opv": lambda: _mean_square(state.object_lin_vel - reference.object_lin_vel[:, :objects]),
            "orv": lambda: _mean_square(state.object_ang_vel - reference.object_ang_vel[:, :objects]),
            "ig": lambda: _mean_square(points[:, :, None] - moved[:, None]),
            "cg_object": lambda: (contacts.object.to(points.dtype) - reference.contact[:, :objects]).abs().mean(1),
        }
    return errors


def _mean_square(difference: Tensor) -> Tensor:
    """Mean of the squares of each row, (N, ...) -> (N,)."""
    return difference.square().flatten(1).mean(1)


def _points(state: TrackedState, key_bodies: Tensor) -> Tensor:
    """Root and key body positions, (N, 1 + P, 3)."""
    return torch.cat((state.root_pos[:, None], state.body_pos.index_select(1, key_bodies)), dim=1)


def _jerkiness(velocity_change: Tensor, wanted_velocity: Tensor) -> Tensor:
    """Mean squared change of velocity where the wanted one is exactly 0; the rest weighs next to nothing."""
    return _mean_square(velocity_change / ((wanted_velocity.square() + 1e-12) * 1e12).sqrt())


def _angle_error(root: Tensor, joints: Tensor, wanted_root: Tensor, wanted_joints: Tensor) -> Tensor:
    """Squared angle between rotations, spread over three numbers each, mean of all."""
    rotation, wanted = _quat_planes(root, joints), _quat_planes(wanted_root, wanted_joints)
    apart = (rotation - wanted).square().sum(0)
    apart_flipped = (rotation + wanted).square().sum(0)
    angle = 4.0 * torch.atan2(apart.minimum(apart_flipped).sqrt(), apart.maximum(apart_flipped).sqrt())
    return angle.square().mean(1) / 3.0


def _quat_planes(root: Tensor, joints: Tensor) -> Tensor:
    """Quaternions of the root and of the joints' exp-maps, (4, N, 1 + J).

    Components first: sums over three or four neighbours in memory take most of the time on a CPU otherwise.
    """
    exp_map = joints.movedim(-1, 0).contiguous()
    half = exp_map.square().sum(0).sqrt() / 2
    joint_quat = torch.cat((torch.cos(half)[None], exp_map * (0.5 * torch.sinc(half / math.pi))))
    return torch.cat((root.movedim(-1, 0)[:, :, None], joint_quat), dim=2)


def _exp_map_error(root: Tensor, joints: Tensor, wanted_root: Tensor, wanted_joints: Tensor) -> Tensor:
    """Squared difference of exp-map coordinates, mean of all."""
    change = (quat_to_exp(root) - quat_to_exp(wanted_root))[:, None]
    return _mean_square(torch.cat((change, joints - wanted_joints), dim=1))


def _signless_quat_error(quat: Tensor, wanted: Tensor) -> Tensor:
    """Squared difference of quaternion components under the sign that makes it least, mean of all."""
    nearest = (quat - wanted).square().sum(-1).minimum((quat + wanted).square().sum(-1))
    return nearest.mean(1) / 4.0


_ROTATION_ERRORS = {"rotation": _angle_error, "exp_map": _exp_map_error}
_OBJECT_ROTATION_ERRORS = {
    "rotation": _signless_quat_error,
    "exp_map": lambda quat, wanted: _mean_square(quat - wanted),
}
