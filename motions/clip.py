"""One recorded motion of a humanoid and its objects."""

from dataclasses import dataclass, field

import numpy as np

from hoigym.core.errors import UserError
from hoigym.motions.skeleton import SKELETON_NAMES, load_skeleton

MIN_FRAMES = 4
NUM_SKILLS = 64


class ClipError(UserError):
    """A clip that cannot be used: where it is (file or clip name) and what is wrong with it."""

    def __init__(self, where: object, problem: str) -> None:
        super().__init__(f"{where}: {problem}")
        self.problem = problem


@dataclass(frozen=True, eq=False, kw_only=True)
class Clip:
    """T frames of one humanoid (B bodies, J = B - 1 joints) and K objects; float32 arrays, read-only.

    name: file name without its suffix. skill: 0 .. 63. skeleton: "mocap" or "parahome". fps: frames a second.
    root_pos (T, 3) [m], root_rot (T, 3) exp-map [rad], both world; joint_rot (T, J, 3) exp-maps of the child
    in the parent frame; body_pos (T, B, 3) world [m] as stored in the file, or None (forward kinematics gives
    them); object_pos (T, K, 3) [m], object_rot (T, K, 3) exp-map, world; contact (T, K) 0 or 1: a hand holds
    the object.

    Raises ClipError for a wrong shape or dtype, fewer than 4 frames, NaN or infinity, a contact label that is
    neither 0 nor 1, a frame rate that is not positive, an unknown skeleton, or a clip without a valid frame.
    """

    name: str
    skill: int
    skeleton: str
    fps: float
    root_pos: np.ndarray = field(repr=False)
    root_rot: np.ndarray = field(repr=False)
    joint_rot: np.ndarray = field(repr=False)
    body_pos: np.ndarray | None = field(repr=False)
    object_pos: np.ndarray = field(repr=False)
    object_rot: np.ndarray = field(repr=False)
    contact: np.ndarray = field(repr=False)

    def __post_init__(self) -> None:
        problem = _problem_of(self)
        if problem:
            raise ClipError(f"clip '{self.name}'", problem)
        for array in self.arrays().values():
            array.flags.writeable = False

    @property
    def num_frames(self) -> int:
        return len(self.root_pos)

    @property
    def num_objects(self) -> int:
        return self.object_pos.shape[1]

    @property
    def missing(self) -> np.ndarray:
        """Frames that were not captured: stored as zeros throughout. (T,) bool."""
        return _missing(self)

    def arrays(self) -> dict[str, np.ndarray]:
        """The motion arrays by field name; body_pos only where the clip stores it."""
        names = ("root_pos", "root_rot", "joint_rot", "body_pos", "object_pos", "object_rot", "contact")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


def _missing(clip: Clip) -> np.ndarray:
    frames = len(clip.root_pos)
    return np.all([(array == 0).reshape(frames, -1).all(axis=1) for array in clip.arrays().values()], axis=0)


def _problem_of(clip: Clip) -> str | None:
    """What is wrong with the clip and what is expected, or None."""
    if clip.skeleton not in SKELETON_NAMES:
        return f"unknown skeleton '{clip.skeleton}'; expected one of {', '.join(SKELETON_NAMES)}"
    if not (np.isfinite(clip.fps) and clip.fps > 0):
        return f"frame rate {clip.fps:g}; expected a positive number of frames a second"
    if not 0 <= clip.skill < NUM_SKILLS:
        return f"skill id {clip.skill}; expected 0 to {NUM_SKILLS - 1}"
    return _shape_problem(clip) or _value_problem(clip)


def _shape_problem(clip: Clip) -> str | None:
    skeleton = load_skeleton(clip.skeleton)
    frames = clip.root_pos.shape[0] if clip.root_pos.ndim else 0
    objects = clip.object_pos.shape[1] if clip.object_pos.ndim > 1 else 0
    shapes = {
        "root_pos": (frames, 3),
        "root_rot": (frames, 3),
        "joint_rot": (frames, skeleton.num_joints, 3),
        "body_pos": (frames, skeleton.num_bodies, 3),
        "object_pos": (frames, objects, 3),
        "object_rot": (frames, objects, 3),
        "contact": (frames, objects),
    }
    for name, array in clip.arrays().items():
        if array.dtype != np.float32:
            return f"{name} is {array.dtype}; expected float32"
        if array.shape != shapes[name]:
            return f"{name} has shape {array.shape}; expected {shapes[name]} for skeleton '{clip.skeleton}'"
    if frames < MIN_FRAMES:
        return f"only {frames} frames; expected at least {MIN_FRAMES}"
    return None


def _value_problem(clip: Clip) -> str | None:
    for name, array in clip.arrays().items():
        bad = ~np.isfinite(array).reshape(len(array), -1).all(axis=1)
        if bad.any():
            return f"{name} holds NaN or infinity at frame {int(bad.argmax())}; expected finite numbers"
    odd = ~np.isin(clip.contact, (0, 1)).all(axis=1)
    if odd.any():
        return f"contact label {clip.contact[odd].flat[0]:g} at frame {int(odd.argmax())}; expected 0 or 1"
    if _missing(clip).all():
        return "every frame is missing (all zeros); expected at least one valid frame"
    return None
