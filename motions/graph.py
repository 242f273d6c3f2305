"""Stitched trajectory graph: for every frame, the most similar frame of every other skill."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from hoigym.core.errors import UserError
from hoigym.core.files import read_npz, write_atomically
from hoigym.motions.library import MotionLibrary
from hoigym.motions.rotations import heading, quat_from_yaw, quat_mul, quat_rotate
from hoigym.motions.similarity import SimilarityWeights
from hoigym.motions.state import MotionState

FORMAT_VERSION = 1
SUFFIX = ".npz"


class GraphError(UserError):
    """A trajectory graph that cannot be built, read or used."""


@dataclass(frozen=True, kw_only=True)
class GraphSettings:
    """What a graph was built with.

    weights: of frames whose skill has an object; objectless_weights: of the others, objectless_skills.
    within_skill: whether a frame is also linked to the other clips of its own skill.
    body_positions: as in `MotionLibrary`.
    """

    weights: SimilarityWeights
    objectless_weights: SimilarityWeights
    objectless_skills: tuple[int, ...]
    within_skill: bool = False
    body_positions: Literal["kinematics", "stored"] = "kinematics"


class Links(NamedTuple):
    """Linked frames: clip and frame (...) int64, -1 where there is none, and similarity (...), 0 there."""

    clip: Tensor
    frame: Tensor
    similarity: Tensor


class TrajectoryGraph:
    """Links between the F frames of M clips, at most G from each frame.

    Args:
        content_hash: of the library of those clips.
        settings: what it was built with.
        clip_names: M names.
        clip_skill, clip_length: (M,) int64.
        target_clip, target_frame: (F, G) int64, a row for each frame of all clips in order; -1 is no link.
        similarity: (F, G) in (0, 1], 0 where there is no link; a frame's links come first.

    All tensors are kept on the device of `similarity`.
    """

    def __init__(
        self,
        *,
        content_hash: str,
        settings: GraphSettings,
        clip_names: tuple[str, ...],
        clip_skill: Tensor,
        clip_length: Tensor,
        target_clip: Tensor,
        target_frame: Tensor,
        similarity: Tensor,
    ) -> None:
        self.device = similarity.device
        self.content_hash = content_hash
        self.settings = settings
        self.clip_names = clip_names
        self.clip_skill = clip_skill.to(self.device)
        self.clip_length = clip_length.to(self.device)
        self.clip_start = self.clip_length.cumsum(0) - self.clip_length
        self.target_clip = target_clip.to(self.device)
        self.target_frame = target_frame.to(self.device)
        self.similarity = similarity
        self._count = (similarity > 0).sum(1)

    @property
    def num_links(self) -> int:
        return int(self._count.sum())

    @property
    def frame_clip(self) -> Tensor:
        """Clip of every frame, (F,)."""
        return torch.arange(len(self.clip_length), device=self.device).repeat_interleave(self.clip_length)

    def links(self, clip: Tensor, frame: Tensor) -> Links:
        """All links of the frames (...), broadcast: (..., G) each; frames are clamped into their clip."""
        row = self._row(clip, frame)
        return Links(self.target_clip[row], self.target_frame[row], self.similarity[row])

    def sample(self, clip: Tensor, frame: Tensor, generator: torch.Generator) -> Links:
        """One link of each frame (...), uniformly among those it has: (...) each."""
        row = self._row(clip, frame)
        count = self._count[row]
        draw = torch.rand(row.shape, generator=generator, device=self.device)
        slot = (draw * count).long().minimum(count - 1).clamp_min(0)
        return Links(self.target_clip[row, slot], self.target_frame[row, slot], self.similarity[row, slot])

    def require(self, library: MotionLibrary) -> None:
        """Raises GraphError unless the graph was built from exactly the library's clips, in this order."""
        if library.content_hash == self.content_hash:
            return
        if library.num_clips != len(self.clip_length):
            difference = f"{len(self.clip_length)} clips, {library.num_clips} are loaded"
        elif library.clip_length.tolist() != self.clip_length.tolist():
            difference = "clips of other lengths or in another order"
        else:
            difference = "clips of other content"
        raise GraphError(f"trajectory graph: built from {difference}; rebuild it with `run.py graph build`")

    def save(self, path: str | Path) -> None:
        """Writes an .npz; it appears whole or not at all. Raises GraphError where it cannot be written."""
        path = Path(path)
        if path.suffix != SUFFIX:
            raise GraphError(f"{path}: cannot write '{path.suffix}' graphs; expected {SUFFIX}")
        try:
            with write_atomically(path) as file:
                np.savez_compressed(
                    file,
                    format_version=np.array(FORMAT_VERSION),
                    content_hash=np.array(self.content_hash),
                    settings=np.array(json.dumps(dataclasses.asdict(self.settings))),
                    clip_names=np.array(self.clip_names),
                    clip_skill=_int32(self.clip_skill),
                    clip_length=_int32(self.clip_length),
                    target_clip=_int32(self.target_clip),
                    target_frame=_int32(self.target_frame),
                    similarity=self.similarity.cpu().numpy(),
                )
        except OSError as error:
            raise GraphError(f"{path}: cannot be written ({error.strerror or error})") from None

    @staticmethod
    def load(path: str | Path, device: str | torch.device = "cpu") -> "TrajectoryGraph":
        """The graph in an .npz; raises GraphError, one line naming the file, for anything else.

        Use `require` before its links are looked up for the clips of a library.
        """
        path = Path(path)
        entries = _read(path)
        problem = _problem_of(entries)
        if problem:
            raise GraphError(f"{path}: {problem}")

        def tensor(name: str) -> Tensor:
            return torch.from_numpy(entries[name].astype(np.int64)).to(device)

        return TrajectoryGraph(
            content_hash=str(entries["content_hash"]),
            settings=_settings_of(path, str(entries["settings"])),
            clip_names=tuple(map(str, entries["clip_names"])),
            clip_skill=tensor("clip_skill"),
            clip_length=tensor("clip_length"),
            target_clip=tensor("target_clip"),
            target_frame=tensor("target_frame"),
            similarity=torch.from_numpy(entries["similarity"]).to(device),
        )

    def _row(self, clip: Tensor, frame: Tensor) -> Tensor:
        return self.clip_start[clip] + frame.clamp_min(0).minimum(self.clip_length[clip] - 1)


def _int32(values: Tensor) -> np.ndarray:
    return values.cpu().numpy().astype(np.int32)


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        return read_npz(path)
    except FileNotFoundError:
        raise GraphError(f"{path}: no such file; build it with `run.py graph build`") from None
    except OSError as error:
        raise GraphError(f"{path}: cannot be read ({error.strerror or error})") from None
    except ValueError:
        raise GraphError(f"{path}: truncated or not a trajectory graph; expected an .npz of `graph build`") from None


def _problem_of(entries: dict[str, np.ndarray]) -> str | None:
    """What is wrong with the arrays of a file, or None."""
    kinds = {
        "format_version": ("iu", 0),
        "content_hash": ("U", 0),
        "settings": ("U", 0),
        "clip_names": ("U", 1),
        "clip_skill": ("i", 1),
        "clip_length": ("i", 1),
        "target_clip": ("i", 2),
        "target_frame": ("i", 2),
        "similarity": ("f", 2),
    }
    for name, (kind, dimensions) in kinds.items():
        if name not in entries or entries[name].dtype.kind not in kind or entries[name].ndim != dimensions:
            return f"no valid entry '{name}'; expected a trajectory graph written by `graph build`"
    if entries["format_version"] != FORMAT_VERSION:
        return f"graph format {entries['format_version']}; expected {FORMAT_VERSION}"
    lengths, clip, frame = entries["clip_length"], entries["target_clip"], entries["target_frame"]
    if not len(lengths) == len(entries["clip_skill"]) == len(entries["clip_names"]):
        return "names, skills and lengths of different numbers of clips"
    frames = (int(lengths.sum()), clip.shape[1])
    if any(entries[name].shape != frames for name in ("target_clip", "target_frame", "similarity")):
        return f"links of another number of frames than its clips have ({frames[0]})"
    linked = entries["similarity"] > 0
    if not (np.isin(clip[linked], np.arange(len(lengths))).all() and (clip[~linked] == -1).all()):
        return "links to clips that it does not have"
    if not ((frame[linked] >= 0) & (frame[linked] < lengths[clip[linked]])).all():
        return "links to frames that its clips do not have"
    return None


def _settings_of(path: Path, text: str) -> GraphSettings:
    try:
        values: dict[str, Any] = json.loads(text)
        return GraphSettings(
            **{
                **values,
                "weights": SimilarityWeights(**values["weights"]),
                "objectless_weights": SimilarityWeights(**values["objectless_weights"]),
                "objectless_skills": tuple(values["objectless_skills"]),
            }
        )
    except (ValueError, TypeError, KeyError):
        raise GraphError(f"{path}: settings that this version does not know; rebuild the graph") from None


# --- Laying a linked frame over the frame it is linked from, and bridging what is left between them -----------------


MAX_BUFFER_FRAMES = 10


def align(linked: MotionState, root_pos: Tensor, root_quat: Tensor) -> MotionState:
    """The linked state with the heading and the x, y of other roots; heights stay.

    Everything is turned as one about the vertical through the linked root: objects move with the humanoid,
    linear and angular velocities and object orientations turn along (SkillMimic-V2, stitched trajectory
    graph; its released code leaves the velocities and object orientations as they were).

    Args:
        linked: R states.
        root_pos, root_quat: (R, 3) [m], (R, 4) wxyz, where the roots shall be and face.
    """
    turn = quat_from_yaw(heading(root_quat) - heading(linked.root_quat))
    of_objects = turn[:, None].expand_as(linked.object_quat)
    moved = torch.cat((root_pos[:, :2], linked.root_pos[:, 2:]), dim=1)
    from_root = quat_rotate(of_objects, linked.object_pos - linked.root_pos[:, None])
    return MotionState(
        root_pos=moved,
        root_quat=quat_mul(turn, linked.root_quat),
        root_lin_vel=quat_rotate(turn, linked.root_lin_vel),
        root_ang_vel=quat_rotate(turn, linked.root_ang_vel),
        joint_rot=linked.joint_rot,
        joint_vel=linked.joint_vel,
        object_pos=moved[:, None] + from_root,
        object_quat=quat_mul(of_objects, linked.object_quat),
        object_lin_vel=quat_rotate(of_objects, linked.object_lin_vel),
        object_ang_vel=quat_rotate(of_objects, linked.object_ang_vel),
    )


def buffer_frames(similarity: Tensor) -> Tensor:
    """Frames that the reference waits after a start of the given similarity, (...) -> (...) int64.

    N = min(-floor(log10 S), 10) (SkillMimic-V2, buffer nodes); none where S is 0: no other start was taken.
    """
    decades = -torch.log10(similarity.clamp_min(1e-30)).floor()
    return torch.where(similarity > 0, decades, 0.0).clamp(0, MAX_BUFFER_FRAMES).long()
