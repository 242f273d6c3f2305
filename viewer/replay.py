"""Replay of clips: every frame as it stands in the file, without physics."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from hoigym.motions.clip import Clip
from hoigym.motions.kinematics import forward_kinematics
from hoigym.motions.rotations import exp_to_quat, heading, quat_from_yaw, quat_mul, quat_rotate
from hoigym.motions.skeleton import Skeleton, load_skeleton
from hoigym.motions.skill_set import load_skill_set
from hoigym.rendering.pose import ObjectLook, Pose
from hoigym.sim.scene.config import BallConfig
from hoigym.viewer.base import Moment, Setup, Viewer

# Hands of the published clips miss the ball they hold by up to this [m].
TOLERANCE = 0.02


def touching_hands(
    skeleton: Skeleton, body_pos: torch.Tensor, body_quat: torch.Tensor, ball_pos: torch.Tensor, radius: float
) -> np.ndarray:
    """Bodies of the hands whose surface is within TOLERANCE of a ball's.

    Args:
        skeleton: B bodies; capsules among the hands count.
        body_pos, body_quat: (T, B, 3) [m], (T, B, 4).
        ball_pos: (T, 3) [m].
        radius: of the ball [m].

    Returns:
        (T, B) bool.
    """
    hands = [body for body in skeleton.hands if skeleton.bodies[body].shape.fromto is not None]
    shapes = [skeleton.bodies[body].shape for body in hands]
    ends = body_pos.new_tensor([shape.fromto for shape in shapes])
    radii = body_pos.new_tensor([shape.size[0] for shape in shapes])
    start = body_pos[:, hands] + quat_rotate(body_quat[:, hands], ends[:, :3])
    along = quat_rotate(body_quat[:, hands], ends[:, 3:] - ends[:, :3])
    to_ball = ball_pos[:, None] - start
    share = ((to_ball * along).sum(-1) / along.square().sum(-1).clamp_min(1e-12)).clamp(0, 1)
    gap = (to_ball - share[..., None] * along).norm(dim=-1) - radii - radius
    touching = np.zeros(body_pos.shape[:2], dtype=bool)
    touching[:, hands] = (gap < TOLERANCE).numpy()
    return touching


# --- How the objects of clips are drawn when there is no scene that says so -----------------------------------------


_BALL = ObjectLook("ball", (BallConfig().radius,))
# Boxes about as large as the things that the ParaHome clips handle.
_CUP = ObjectLook("box", (0.04, 0.04, 0.05))
_BOOK = ObjectLook("box", (0.11, 0.075, 0.015))
_KETTLE = ObjectLook("box", (0.068, 0.082, 0.095), (-0.001, -0.005, -0.018))
_PAN = ObjectLook("box", (0.114, 0.205, 0.079), (0.037, -0.060, -0.001))
# The chair itself would hide who sits on it.
_CHAIR = ObjectLook("box", (0.15, 0.15, 0.15))
_UNKNOWN = ObjectLook("box", (0.06, 0.06, 0.06))
_HOUSEHOLD = {
    1: (_CUP,),
    2: (_BOOK,),
    3: (_KETTLE,),
    4: (_PAN,),
    5: (_KETTLE,),
    6: (_CHAIR,),
    10: (_KETTLE, _CUP),
}


def looks_of_clip(clip: Clip) -> tuple[ObjectLook, ...]:
    """One look for each object of a clip: balls for the mocap skeleton, boxes for household objects."""
    if clip.skeleton == "mocap":
        return (_BALL,) * clip.num_objects
    known = _HOUSEHOLD.get(clip.skill, ())
    return known if len(known) == clip.num_objects else (_UNKNOWN,) * clip.num_objects


# --- Puts a figure somewhere else on the floor ----------------------------------------------------------------------


@dataclass(frozen=True)
class Placement:
    """A turn by yaw [rad] about the vertical through the origin, then a shift (3,) [m]."""

    yaw: float = 0.0
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def points(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 3) [m] where they come to lie."""
        return (self._turn(points) + np.array(self.shift)).astype(points.dtype)

    def pose(self, pose: Pose) -> Pose:
        """A pose where it comes to stand."""
        return replace(
            pose,
            body_pos=self.points(pose.body_pos),
            body_quat=self._turn_quat(pose.body_quat),
            object_pos=self.points(pose.object_pos),
            object_quat=self._turn_quat(pose.object_quat),
            projectile_pos=self.points(pose.projectile_pos),
            projectile_quat=self._turn_quat(pose.projectile_quat),
        )

    def moment(self, moment: Moment) -> Moment:
        """A moment whose figure and ghost come to stand there."""
        if self == Placement():  # most figures stay where they are, and a page shows sixty moments a second
            return moment
        ghost = None if moment.ghost is None else self.pose(moment.ghost)
        return replace(moment, pose=self.pose(moment.pose), ghost=ghost)

    def _turn(self, points: np.ndarray) -> np.ndarray:
        vectors = torch.from_numpy(points).double()
        return quat_rotate(self._quat.expand(*vectors.shape[:-1], 4), vectors).numpy()

    def _turn_quat(self, quats: np.ndarray) -> np.ndarray:
        turned = quat_mul(self._quat.expand(quats.shape), torch.from_numpy(quats).double())
        return turned.numpy().astype(quats.dtype)

    @property
    def _quat(self) -> torch.Tensor:
        return quat_from_yaw(torch.tensor(self.yaw, dtype=torch.float64))


def placed_over(figure: Pose, target: Pose) -> Placement:
    """The placement that brings a figure's root over that of another, with its heading; heights stay.

    The rule of `motions.stitching.align` (SkillMimic-V2, stitched trajectory graph) for poses as they are drawn.
    """
    yaw = _heading(target) - _heading(figure)
    turned = Placement(yaw).points(figure.body_pos[0].astype(np.float64))
    x, y, _ = target.body_pos[0] - turned
    return Placement(yaw, (float(x), float(y), 0.0))


def _heading(pose: Pose) -> float:
    return float(heading(torch.from_numpy(pose.body_quat[0]).double()))


# --- Shows clips kinematically: every frame as it stands in the file, without physics -------------------------------


def replay(clips: Sequence[Clip], viewer: Viewer) -> None:
    """Shows clips one after another, until they end or the viewer is closed."""
    for clip in clips:
        viewer.begin(clip_setup(clip))
        for moment in clip_moments(clip):
            if viewer.closed:
                return
            viewer.show([moment])


def clip_setup(clip: Clip) -> Setup:
    """What a viewer needs to know before a clip."""
    return Setup(
        skeleton=load_skeleton(clip.skeleton),
        objects=looks_of_clip(clip),
        figures=1,
        dt=1.0 / clip.fps,
        steps=clip.num_frames,
    )


def clip_moments(clip: Clip) -> list[Moment]:
    """The frames of a clip.

    Bodies stand where the joint angles put them; a missing frame shows the last one that is there. An object
    has the colour of contact where its label is set, a hand where it is at the ball.
    """
    skeleton = load_skeleton(clip.skeleton)
    present = _last_present(clip.missing)
    arrays = {name: torch.from_numpy(array[present]) for name, array in clip.arrays().items()}
    body_pos, body_quat = forward_kinematics(
        skeleton, arrays["root_pos"], exp_to_quat(arrays["root_rot"]), arrays["joint_rot"]
    )
    object_quat = exp_to_quat(arrays["object_rot"]).numpy()
    touching = np.zeros(body_pos.shape[:2], dtype=bool)
    for slot, look in enumerate(looks_of_clip(clip)):
        if look.shape == "ball":
            ball_pos = arrays["object_pos"][:, slot]
            touching |= touching_hands(skeleton, body_pos, body_quat, ball_pos, radius=look.size[0])
    labels = clip.contact > 0
    return [
        Moment(
            pose=Pose(
                body_pos=body_pos[frame].numpy(),
                body_quat=body_quat[frame].numpy(),
                object_pos=arrays["object_pos"][frame].numpy(),
                object_quat=object_quat[frame],
                body_touch=touching[frame],
                object_touch=labels[frame],
            ),
            skill=load_skill_set(clip.skeleton).name_of(clip.skill),
            skill_id=clip.skill,
            caption=f"{clip.name}  frame {frame}" + (" (missing)" if clip.missing[frame] else ""),
            time=frame / clip.fps,
            label=bool(labels[frame].any()),
            touch=bool(touching[frame].any()),
        )
        for frame in range(clip.num_frames)
    ]


def _last_present(missing: np.ndarray) -> np.ndarray:
    """For each frame the last one up to it that is not missing; the first such one before that. (T,)."""
    frames = np.arange(len(missing))
    first = int(np.argmin(missing))
    return np.maximum.accumulate(np.where(missing, first, frames))
