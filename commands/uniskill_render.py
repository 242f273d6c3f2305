"""`run.py uniskill render`: pictures and depth of clips, or of a policy at work, to learn skills from."""

import contextlib
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hoigym.core.config import CFG, read_layer, restrict
from hoigym.core.config_parser import ConfigParser
from hoigym.core.errors import UserError
from hoigym.core.run_folder import env_layer
from hoigym.envs.config import EnvConfig

if TYPE_CHECKING:
    from hoigym.adapters.uniskill.store import RenderStore

LOOKS = ("A", "B", "A-random", "B-random", "C", "C-random", "A-side")


@dataclass(frozen=True)
class RenderConfig:
    """Film clips, or a policy at work, in several looks, into a store to learn from."""

    output: Path | None = None
    """Folder of the store; what is there already is not filmed again."""
    motion_file: str = ""
    """Clip, or folder of clips."""
    checkpoint: str = ""
    """Film this policy in the environment of its run, in place of clips."""
    looks: tuple[str, ...] = LOOKS
    """Embodiments A, B and C; -random: in random colours; -side: from camera positions that the others do not have."""
    variants: int = 2
    """Draws of camera (and colours) for each clip and look."""
    size: int = 64
    """Pixels a side."""
    stride: int = 2
    """Frames of the clip, or control steps, between two pictures."""
    seed: int = 0
    """Of cameras, colours and rollouts."""
    rows: int = 8
    """Rollouts of the policy side by side."""
    steps: int = 300
    """Control steps of the rollouts."""

    def __post_init__(self) -> None:
        for name in ("variants", "size", "stride", "rows", "steps"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} must be at least 1, not {getattr(self, name)}")
        if bool(self.motion_file) == bool(self.checkpoint):
            raise UserError("expected one of --motion_file (clips) and --checkpoint (a policy)")


def render(config: RenderConfig) -> None:
    """Does what the configuration says, and says what came of it; raises UserError."""
    begin = time.monotonic()
    store = render_store(config)
    pictures = sum(one.num_frames for one in store.renderings)
    seconds = time.monotonic() - begin
    print(f"{config.output}: {len(store.renderings)} films, {pictures} pictures, after {seconds:.0f} s")


def render_store(config: RenderConfig) -> "RenderStore":
    """The store with all that the configuration asks for, with progress on the terminal; raises UserError."""
    from hoigym.adapters.uniskill.films import fill
    from hoigym.adapters.uniskill.store import RenderStore, StoreFacts
    from hoigym.commands.eval import EvalProgress
    from hoigym.rendering.film import Look

    assert config.output is not None
    looks = [Look.parse(text) for text in config.looks]
    subjects, library_hash = _rollouts(config) if config.checkpoint else _clips(Path(config.motion_file))
    store = RenderStore.open_or_create(config.output, StoreFacts(config.size, config.stride, library_hash))
    name = f"films of {config.checkpoint or config.motion_file}"
    with EvalProgress() as progress:
        fill(
            store,
            subjects,
            looks,
            config.variants,
            config.seed,
            lambda done, of: progress.show(name, done, of),
        )
    return store


def _clips(path: Path):
    from hoigym.adapters.uniskill.films import clip_subjects
    from hoigym.motions.formats import load_clips
    from hoigym.motions.library import MotionLibrary

    clips = load_clips(path)
    return list(clip_subjects(clips)), MotionLibrary(clips).content_hash


def _rollouts(config: RenderConfig):
    from gymnasium.spaces import flatdim

    from hoigym.adapters.uniskill.films import rollout_subjects
    from hoigym.agents.policy import load_player
    from hoigym.envs.make import make_env

    checkpoint = Path(config.checkpoint)
    of_run = ConfigParser("run.py uniskill render", _Run).resolve(
        [env_layer(checkpoint), restrict(read_layer(CFG / "play.yaml"), ["env"])], []
    )
    env_config = replace(of_run.env, num_envs=config.rows, seed=config.seed)
    with contextlib.closing(make_env(env_config)) as env:
        size = flatdim(env.single_observation_space)
        player = load_player(checkpoint, task=env_config.task, obs_size=size, device=env.device)
        fps = 1.0 / env.sim.control_dt
        return list(rollout_subjects(env, player.act, config.steps, fps, f"{checkpoint.name}_{config.seed}")), ""


@dataclass(frozen=True)
class _Run:
    """The environment of a run."""

    env: EnvConfig = EnvConfig()
