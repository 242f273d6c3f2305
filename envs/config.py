"""Typed configuration of an environment; the values of each task stand in cfg/tasks."""

from dataclasses import dataclass, field
from typing import Literal

from hoigym.conditioners.base import ConditionConfig
from hoigym.core.errors import UserError
from hoigym.envs.perturbation import ThrowConfig
from hoigym.envs.reward import RewardWeights, RotationDifference
from hoigym.envs.termination import FALL_HEIGHT
from hoigym.hist_encoder.features import ReferenceHeading
from hoigym.motions.skill_set import SkillSet, load_skill_set
from hoigym.sim.engines import WarpConfig
from hoigym.sim.scene.config import SceneConfig


@dataclass(frozen=True)
class StartConfig:
    """Where episodes start."""

    clip: int | None = None
    """Start only in this clip (index in the library); None draws one."""
    frame: int | None = None
    """Start only at this frame (2 or later); None draws one."""
    max_penetration: float | None = None
    """Leave out frames in which a hand is deeper than this inside an object [m]: such a start kicks the object."""
    noise: float = 0.0
    """Probability of a start in the neighbourhood of the reference (state transition field)."""
    switch: float = 0.0
    """Probability of a start in a linked state of another skill (stitched trajectory graph)."""
    scatter: float = 0.0
    """Probability of a start with the objects at a random place, as published for testing pick-up: the reference, and
    with it the reward, knows nothing of that."""
    scatter_distance: tuple[float, float] = (0.5, 3.0)
    """Least and greatest distance of that place from the root [m]."""
    graph_file: str = ""
    """Trajectory graph of the clips, for `switch`; built when training starts where empty."""
    buffer: bool = True
    """Whether the reference waits, unrewarded, for starts that lie off it."""
    adaptive: float = 0.0
    """How much clips and start frames with low reward are favoured, 0 .. 1 (adaptive trajectory sampling)."""
    adaptive_frames: bool = True
    """Whether `adaptive` weights start frames too, and not only clips."""
    adaptive_cap: float = 5.0
    """How many times as often as evenly `adaptive` may draw a start frame of a clip; 0 is no limit, as published."""

    def __post_init__(self) -> None:
        """Raises UserError for an impossible value."""
        for name in ("noise", "switch", "scatter", "adaptive"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise UserError(f"start.{name} {getattr(self, name):g}: expected 0 to 1")
        if self.adaptive_cap and self.adaptive_cap < 1.0:
            raise UserError(f"start.adaptive_cap {self.adaptive_cap:g}: expected 1 or more, or 0 for no limit")
        if not 0.0 <= self.scatter_distance[0] <= self.scatter_distance[1]:
            raise UserError(f"start.scatter_distance {self.scatter_distance}: expected the least and the greatest [m]")


@dataclass(frozen=True)
class HistoryConfig:
    """What the policy knows of the past."""

    encoder: str = ""
    """Folder of a trained history encoder, or a published .ckpt; no history where empty."""
    reference_heading: ReferenceHeading = "true"
    """"exp_map" reproduces the headings that released encoders were given in recorded frames."""


@dataclass(frozen=True)
class EpisodeConfig:
    """When episodes end."""

    length: int = 60
    """Longest episode [control steps]."""
    stop_at_clip_end: bool = True
    """Whether the last reference frame ends the episode; if not, the reference waits there."""
    fall_height: float | None = FALL_HEIGHT
    """Root height [m] under which the episode terminates; None never does."""
    max_root_error: float | None = None
    """Distance of the root from its reference [m] beyond which the episode terminates."""
    max_object_error: float | None = None
    """Distance of an object from its reference [m] beyond which the episode terminates."""
    lying_skills: tuple[int, ...] | None = None
    """Skills that start on the ground and never end by a fall; those of the skill set (cfg/skills) where not given."""

    def __post_init__(self) -> None:
        """Raises UserError for an impossible value."""
        if self.length < 1:
            raise UserError(f"episode.length {self.length}: expected 1 or more")
        for name in ("max_root_error", "max_object_error"):
            limit = getattr(self, name)
            if limit is not None and not limit > 0:
                raise UserError(f"episode.{name} {limit:g}: expected a distance above 0, or null for none")


@dataclass(frozen=True)
class RewardConfig:
    """What the policy is rewarded for."""

    kind: Literal["skillmimic", "deepmimic"] = "skillmimic"
    weights: RewardWeights = field(default_factory=RewardWeights)
    contact: Literal["pairs", "forces"] = "pairs"
    """pairs: the engine's exact contact pairs. forces: the published guess from net contact forces."""
    rotation_difference: RotationDifference = "rotation"
    """How rotations are compared; "exp_map" is the published difference of exp-maps, which wraps."""


@dataclass(frozen=True)
class EnvConfig:
    """A vectorised environment."""

    task: str = "ballplay"
    motion_file: str = ""
    """Clip or folder of clips; the bundled demo clips of the task where empty."""
    num_envs: int = 64
    engine: Literal["mujoco", "mujoco_warp"] = "mujoco"
    """Physics engine: mujoco on the CPU, or mujoco_warp on an NVIDIA GPU."""
    threads: int = 0
    """Threads of engine mujoco; 0 takes every processor."""
    warp: WarpConfig = field(default_factory=WarpConfig)
    seed: int = 0
    body_positions: Literal["kinematics", "stored"] = "kinematics"
    """Reference body positions: forward kinematics of the clip's joint angles, or as stored in the clip."""
    force_frame: Literal["heading", "world"] = "heading"
    """Frame of the finger tips' contact forces in the observation; "world" is what released policies expect."""
    object_slots: int = 1
    """Object blocks in the observation, zero where the scene has fewer, so that tasks share a policy's shape."""
    objectless_skills: tuple[int, ...] | None = None
    """Skills without an object: only the body counts, and the object starts anywhere; those of the skill set
    (cfg/skills) where not given."""
    condition: ConditionConfig = field(default_factory=ConditionConfig)
    history: HistoryConfig = field(default_factory=HistoryConfig)
    scene: SceneConfig = field(default_factory=SceneConfig)
    throw: ThrowConfig = field(default_factory=ThrowConfig)
    """How `env.throw` throws the boxes of `scene.projectiles`."""
    start: StartConfig = field(default_factory=StartConfig)
    episode: EpisodeConfig = field(default_factory=EpisodeConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)

    def __post_init__(self) -> None:
        """Raises UserError for an impossible value."""
        if self.num_envs < 1:
            raise UserError(f"num_envs {self.num_envs}: expected 1 or more")
        if self.threads < 0:
            raise UserError(f"threads {self.threads}: expected 0 or more")

    @property
    def skill_set(self) -> SkillSet:
        """The skills of the scene's skeleton."""
        return load_skill_set(self.scene.skeleton)

    @property
    def without_object(self) -> tuple[int, ...]:
        """Skill ids without an object."""
        return self.skill_set.objectless if self.objectless_skills is None else self.objectless_skills

    @property
    def beginning_on_the_ground(self) -> tuple[int, ...]:
        """Skill ids that begin on the ground."""
        return self.skill_set.lying if self.episode.lying_skills is None else self.episode.lying_skills
