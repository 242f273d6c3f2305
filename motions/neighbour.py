"""State transition field: noise on start states, and the frame of its clip that a noisy state is nearest to."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from hoigym.motions.kinematics import key_body_motion
from hoigym.motions.library import MotionLibrary
from hoigym.motions.rotations import exp_to_quat, normalize
from hoigym.motions.similarity import Features, Points, Poses, SimilarityWeights, features, nearest, squared_angles
from hoigym.motions.state import MotionState

# SkillMimic-V2, table 9: epsilon, and its value for getting up.
NOISE, LYING_NOISE = 0.1, 1.0


def perturb(state: MotionState, lying: Tensor, generator: torch.Generator) -> MotionState:
    """R states from the neighbourhood of those given (SkillMimic-V2, state transition field).

    Heights of root and objects rise by up to 0.1 m; orientations get Gaussian noise of 0.1 on the components
    of their quaternion, which is normalised again (the released code does not); joint angles, joint
    velocities, root and object velocities get Gaussian noise of 0.1. Root height and orientation of a lying
    humanoid get ten times as much.

    Args:
        lying: (R,) bool, humanoids that lie on the ground and shall get up.
        generator: on the device of the state.
    """
    scale = torch.where(lying, LYING_NOISE, NOISE)[:, None]

    def gaussian(value: Tensor, sigma: Tensor | float = NOISE) -> Tensor:
        return value + sigma * torch.randn(value.shape, generator=generator, device=value.device)

    def lifted(position: Tensor, height: Tensor | float = NOISE) -> Tensor:
        lift = torch.rand(position.shape[:-1], generator=generator, device=position.device) * height
        return torch.cat((position[..., :2], position[..., 2:] + lift[..., None]), dim=-1)

    return dataclasses.replace(
        state,
        root_pos=lifted(state.root_pos, scale[:, 0]),
        root_quat=normalize(gaussian(state.root_quat, scale)),
        root_lin_vel=gaussian(state.root_lin_vel),
        root_ang_vel=gaussian(state.root_ang_vel),
        joint_rot=gaussian(state.joint_rot),
        joint_vel=gaussian(state.joint_vel),
        object_pos=lifted(state.object_pos),
        object_quat=normalize(gaussian(state.object_quat)),
        object_lin_vel=gaussian(state.object_lin_vel),
        object_ang_vel=gaussian(state.object_ang_vel),
    )


# --- Search for the most similar frame of a clip with as much work for every clip, so that nobody waits for a count


# Bytes that the comparison may take at a time, about.
_MEMORY = 2**30


@dataclass(frozen=True)
class PaddedClips:
    """Frames of M clips, one clip after another.

    first, count: (M,) long, a clip's place in the table and how many frames it has there, maybe none.
    frame: (F,) long, their place in the clip. poses: F of them. longest: the largest count.
    """

    first: Tensor
    count: Tensor
    frame: Tensor
    poses: Features
    longest: int

    @staticmethod
    def of(frames: list[Tensor], poses: list[Features]) -> "PaddedClips":
        """From the frames (T,) and the poses (T of them) of every clip; some clip must have a frame."""
        counts = [len(frame) for frame in frames]
        count = torch.tensor(counts, device=frames[0].device)
        joined = Features(
            linear=torch.cat([part.linear for part in poses if len(part)]),
            quat=torch.cat([part.quat for part in poses if len(part)]),
            angle_weight=next(part for part in poses if len(part)).angle_weight,
        )
        return PaddedClips(count.cumsum(0) - count, count, torch.cat(frames), joined, max(counts))

    def nearest(self, clip: Tensor, query: Features) -> tuple[Tensor, Tensor]:
        """Frame (R,) of lowest cost of the clips (R,) for each of R poses, and the cost (R,) float64.

        -1 and infinity where the clip has no frame here.
        """
        places, costs = [], []
        numbers = query.linear.shape[1] + 3 * query.quat.shape[1] * query.quat.shape[2]
        rows = max(1, _MEMORY // (8 * numbers * self.longest))
        for part in torch.arange(len(clip), device=clip.device).split(rows):
            place, cost = self._nearest(clip[part], query[part])
            places.append(place)
            costs.append(cost)
        none = self.count[clip] == 0
        frame = self.frame[torch.cat(places)].masked_fill(none, -1)
        return frame, torch.cat(costs).masked_fill(none, torch.inf)

    def _nearest(self, clip: Tensor, query: Features) -> tuple[Tensor, Tensor]:
        """Place (R,) in the table, and cost; anything where the clip has no frame."""
        step = torch.arange(self.longest, device=clip.device)
        last = (self.count[clip] - 1).clamp_min(0)[:, None]
        place = (self.first[clip][:, None] + torch.minimum(step, last)).clamp_max(len(self.frame) - 1)
        linear = (query.linear[:, None] - self.poses.linear[place]).square().sum(-1)
        angles = squared_angles(query.quat[:, None], self.poses.quat[place]) @ query.angle_weight
        cost, slot = (linear + angles).min(1)
        return place.gather(1, slot[:, None])[:, 0], cost


# --- The neighbour search of the state transition field: which frame of its clip a noisy state is nearest to --------


_MOCAP_WEIGHTS = SimilarityWeights(
    key_pos=2.0,
    key_vel=0.1,
    joint_rot=2.0,
    root_rot=2.0,
    object_pos=1.0,
    object_vel=0.1,
    key_to_object=2.0,
)
_WEIGHTS = {"mocap": _MOCAP_WEIGHTS, "parahome": dataclasses.replace(_MOCAP_WEIGHTS, key_pos=5.0)}
_OBJECTLESS_WEIGHTS = SimilarityWeights(key_pos=1.0, key_vel=0.1, joint_rot=1.0, root_rot=1.0, root_height=1.0)


class Neighbours(NamedTuple):
    """Nearest frame (R,) int64, -1 where the clip offers none, and its similarity (R,), 0 there."""

    frame: Tensor
    similarity: Tensor


class _Clip(NamedTuple):
    """Frames (T,) of a clip that may be found, and what they are compared by."""

    frame: Tensor
    weights: SimilarityWeights
    poses: Features
    points: Points


class NeighbourSearch:
    """Finds the frame of a clip most similar to a state that lies near it.

    States are compared in the world frame, by key bodies from forward kinematics on both sides
    (SkillMimic-V2, state transition field, with the weights of the released code and mean squared
    differences throughout).

    Args:
        library: the clips.
        num_objects: how many of the clips' objects a state has.
        objectless_skills: skills whose objects do not count.
        allowed: (F,) bool, frames that may be found; a clip's first two, its last and missing ones never are.
        without_waiting: compare with as many frames for every state. It finds the same, never waits for the
            device, and is slower on a CPU.
    """

    def __init__(
        self,
        library: MotionLibrary,
        num_objects: int,
        objectless_skills: Sequence[int],
        allowed: Tensor | None = None,
        without_waiting: bool = False,
    ) -> None:
        self._skeleton = library.skeleton
        skills = torch.tensor(tuple(objectless_skills), dtype=torch.long, device=library.device)
        objectless = torch.isin(library.clip_skill, skills).tolist()
        frame = torch.arange(library.num_frames, device=library.device)
        usable = library.valid if allowed is None else library.valid & allowed
        spans = list(zip(library.clip_start.tolist(), library.clip_length.tolist(), strict=True))
        self._clips = []
        for (start, length), without in zip(spans, objectless, strict=True):
            rows = frame[start + 2 : start + length - 1]
            rows = rows[usable[rows]]
            weights = _OBJECTLESS_WEIGHTS if without else _WEIGHTS[self._skeleton.name]
            poses = self._poses(_first_objects(MotionState.of(library.reference(rows)), num_objects))
            compared = features(poses, weights)
            self._clips.append(_Clip(rows - start, weights, compared, Points.of(compared)))
        self._padded = self._tables() if without_waiting else None

    def find(self, clip: Tensor, state: MotionState) -> Neighbours:
        """The nearest frame of clip (R,) for each of R states, and how similar it is."""
        if self._padded is not None:
            return self._find_padded(clip, state)
        frame = torch.full_like(clip, -1)
        similarity = torch.zeros(clip.shape, device=clip.device)
        poses = self._poses(state)
        for index in clip.unique().tolist():
            of_clip = self._clips[index]
            if not len(of_clip.frame):
                continue
            rows = (clip == index).nonzero().squeeze(1)
            query = Points.of(features(poses[rows], of_clip.weights))
            place, cost = nearest(query, of_clip.points, None, torch.inf)
            frame[rows] = of_clip.frame[place]
            similarity[rows] = torch.exp(-cost).float()
        return Neighbours(frame, similarity)

    def _tables(self) -> list[tuple[SimilarityWeights, PaddedClips]]:
        """The clips that are compared under the same weights, as one table for each of the weights."""
        tables = []
        for weights in {of_clip.weights: None for of_clip in self._clips if len(of_clip.frame)}:
            mine = [of_clip.weights == weights for of_clip in self._clips]
            frames = [
                of_clip.frame if one else of_clip.frame[:0] for of_clip, one in zip(self._clips, mine, strict=True)
            ]
            poses = [of_clip.poses for of_clip, one in zip(self._clips, mine, strict=True) if one]
            tables.append((weights, PaddedClips.of(frames, poses)))
        return tables

    def _find_padded(self, clip: Tensor, state: MotionState) -> Neighbours:
        frame = torch.full_like(clip, -1)
        lowest = torch.full(clip.shape, torch.inf, dtype=torch.float64, device=clip.device)
        poses = self._poses(state)
        for weights, table in self._padded or []:
            found, cost = table.nearest(clip, features(poses, weights))
            frame = torch.where(found < 0, frame, found)
            lowest = torch.minimum(lowest, cost)
        return Neighbours(frame, torch.exp(-lowest).float())

    def _poses(self, state: MotionState) -> Poses:
        key_pos, key_vel = key_body_motion(self._skeleton, state)
        return Poses(
            root_pos=state.root_pos.double(),
            root_quat=state.root_quat.double(),
            joint_quat=exp_to_quat(state.joint_rot.double()),
            key_pos=key_pos.double(),
            key_vel=key_vel.double(),
            object_pos=state.object_pos.double(),
            object_vel=state.object_lin_vel.double(),
        )


def _first_objects(state: MotionState, count: int) -> MotionState:
    of_objects = ("object_pos", "object_quat", "object_lin_vel", "object_ang_vel")
    return dataclasses.replace(state, **{name: getattr(state, name)[:, :count] for name in of_objects})
