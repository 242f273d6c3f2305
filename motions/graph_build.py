"""Building a stitched trajectory graph offline, batched on the device."""

import math
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from hoigym.motions.clip import Clip
from hoigym.motions.graph import GraphError, GraphSettings, TrajectoryGraph
from hoigym.motions.library import MotionLibrary
from hoigym.motions.similarity import Points, Poses, SimilarityWeights, features, nearest
from hoigym.motions.skill_set import load_skill_set

# Below this similarity two frames are not linked (SkillMimic-V2, table 9).
MIN_SIMILARITY = 1e-10
# Frames that are never a target: the first two have no usable velocity, the last leaves nothing to follow.
_FIRST_TARGET, _LAST_TARGET = 2, -2

_WEIGHTS = {
    "mocap": SimilarityWeights(
        key_pos=20.0, key_vel=0.1, joint_rot=20.0, object_pos=1.0, object_vel=0.1, key_to_object=20.0
    ),
    "parahome": SimilarityWeights(
        key_pos=30.0, key_vel=0.1, joint_rot=30.0, object_pos=1.0, object_vel=0.1, key_to_object=30.0
    ),
}
_OBJECTLESS_WEIGHTS = SimilarityWeights(key_pos=10.0, key_vel=0.1, joint_rot=10.0, root_height=5.0)

Progress = Callable[[int, int], None]


def published_settings(
    skeleton: str,
    within_skill: bool = False,
    body_positions: Literal["kinematics", "stored"] = "kinematics",
) -> GraphSettings:
    """Settings with the weights of the released SkillMimic-V2 code for clips of the skeleton."""
    return GraphSettings(
        weights=_WEIGHTS[skeleton],
        objectless_weights=_OBJECTLESS_WEIGHTS,
        objectless_skills=load_skill_set(skeleton).objectless,
        within_skill=within_skill,
        body_positions=body_positions,
    )


def build_graph(
    clips: Sequence[Clip],
    settings: GraphSettings,
    device: str | torch.device = "cpu",
    progress: Progress | None = None,
    memory: int = 2**28,
) -> TrajectoryGraph:
    """Links every frame to the most similar frame of every other skill (SkillMimic-V2, section on the graph).

    The candidate is laid over the frame: turned about the vertical to its heading, moved to its x and y.
    Missing frames neither have links nor are targets; the first two frames of a clip and its last are no
    targets.

    Args:
        clips: M clips of one skeleton, F frames together.
        settings: weights and kind of links.
        device: where to search.
        progress: told the searches done and to do, F x skills, after each batch.
        memory: bytes that one batch may take, about; the whole needs some 10 KiB a frame besides.

    Raises GraphError where nothing can be linked, ClipError like `MotionLibrary`.
    """
    return link_library(MotionLibrary(clips, device, settings.body_positions), settings, progress, memory)


def link_library(
    library: MotionLibrary,
    settings: GraphSettings,
    progress: Progress | None = None,
    memory: int = 2**28,
) -> TrajectoryGraph:
    """The graph of clips already loaded, with the settings' body positions; as `build_graph` otherwise."""
    search = _Search(library, settings, memory)
    target, cost = search.run(progress or (lambda done, total: None))
    similarity = torch.exp(-cost).float()
    # A frame's links first, in the order of skills.
    order = (target < 0).long().argsort(dim=1, stable=True)
    target, similarity = target.gather(1, order), similarity.gather(1, order)
    links = max(1, int((target >= 0).sum(1).max()))
    target, similarity = target[:, :links], similarity[:, :links].contiguous()
    clip = torch.where(target < 0, -1, search.row_clip[target])
    frame = torch.where(target < 0, -1, search.row_frame[target])
    return TrajectoryGraph(
        content_hash=library.content_hash,
        settings=settings,
        clip_names=library.clip_names,
        clip_skill=library.clip_skill,
        clip_length=library.clip_length,
        target_clip=clip,
        target_frame=frame,
        similarity=similarity,
    )


class _Search:
    """The F x skills searches of one graph; a row is a frame of the library."""

    def __init__(self, library: MotionLibrary, settings: GraphSettings, memory: int) -> None:
        self._settings = settings
        self._memory = memory
        rows = torch.arange(library.num_frames, device=library.device)
        self.row_clip = library.frame_clip
        self.row_frame = rows - library.clip_start[self.row_clip]
        self._row_skill = library.frame_skill
        last = library.clip_length[self.row_clip] + _LAST_TARGET
        self._valid = library.valid
        self._is_target = library.valid & (self.row_frame >= _FIRST_TARGET) & (self.row_frame <= last)
        self._skills: list[int] = library.clip_skill.unique().tolist()
        self._poses = Poses.of_frames(library.reference(rows), library.skeleton).facing_forward()
        if len(self._skills) < 2 and not settings.within_skill:
            raise GraphError("trajectory graph: all clips are of one skill; link them with within_skill")
        if library.num_clips < 2:
            raise GraphError("trajectory graph: only one clip; expected at least two")

    def run(self, progress: Progress) -> tuple[Tensor, Tensor]:
        """Row of the target, -1 for none, and its cost, of every row and skill: (F, skills)."""
        shape = (len(self.row_clip), len(self._skills))
        target = torch.full(shape, -1, device=self.row_clip.device)
        cost = torch.full(shape, torch.inf, dtype=torch.float64, device=self.row_clip.device)
        objectless = torch.isin(self._row_skill, self._row_skill.new_tensor(self._settings.objectless_skills))
        done = 0
        for of_kind, weights in (
            (~objectless, self._settings.weights),
            (objectless, self._settings.objectless_weights),
        ):
            if not of_kind.any():
                continue
            every = Points.of(features(self._poses, weights))
            for column, skill in enumerate(self._skills):
                sources = of_kind & self._valid
                if not self._settings.within_skill:
                    sources &= self._row_skill != skill
                self._to_skill(every, sources.nonzero().squeeze(1), skill, target[:, column], cost[:, column])
                done += int(of_kind.sum())
                progress(done, target.numel())
        return target, cost

    def _to_skill(self, every: Points, sources: Tensor, skill: int, target: Tensor, cost: Tensor) -> None:
        """Finds targets of the rows `sources` among one skill's frames; fills target and cost, (F,)."""
        candidates = (self._is_target & (self._row_skill == skill)).nonzero().squeeze(1)
        if not len(candidates):
            return
        table = every[candidates]
        limit = -math.log(MIN_SIMILARITY)
        rows = max(1, self._memory // len(candidates))
        for part in sources.split(rows):
            allowed = None
            if self._settings.within_skill:
                allowed = self.row_clip[part][:, None] != self.row_clip[candidates][None]
            index, found = nearest(every[part], table, allowed, limit, self._memory)
            target[part] = torch.where(index < 0, -1, candidates[index])
            cost[part] = found
