"""`run.py uniskill record`: rollouts that follow clips, for a policy to learn from."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hoigym.core.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from hoigym.envs.vector_env import HOIVectorEnv


@dataclass(frozen=True)
class RecordConfig:
    """Record rollouts that follow clips, from an expert or by feed-forward actions."""

    output: Path | None = None
    """The .npz to write."""
    motion_file: str | None = None
    """Clip, or folder of clips."""
    task: str = "locomotion"
    """Environment; its label is left out of what is recorded."""
    checkpoint: str = ""
    """Policy of this task to record; where empty, the clips' own actions, which look at nothing."""
    num_envs: int = 16
    """Rollouts side by side."""
    steps: int = 600
    """Control steps of each."""
    noise: float = 0.03
    """Standard deviation of the noise on the actions carried out; those recorded are without."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("num_envs", "steps"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} must be at least 1, not {getattr(self, name)}")


def record(config: RecordConfig) -> None:
    """Does what the configuration says; raises UserError."""
    import contextlib

    import torch

    from hoigym.adapters.uniskill.policy_training import Rollouts, save_rollouts
    from hoigym.commands.eval import EvalProgress
    from hoigym.conditioners.base import LabelConditioner
    from hoigym.envs.make import make_task

    assert config.output is not None
    assert config.motion_file is not None
    chosen = {"motion_file": config.motion_file, "seed": config.seed, "condition": {"kind": "label"}}
    with contextlib.closing(make_task(config.task, config.num_envs, **chosen)) as env, EvalProgress() as progress:
        act = _policy(config, env)
        generator = torch.Generator(env.device).manual_seed(config.seed)
        obs, _ = env.reset(seed=config.seed)
        width = obs.shape[1] - LabelConditioner.width
        steps: list[tuple[torch.Tensor, ...]] = []
        for step in range(config.steps):
            progress.show(f"rollouts of {config.motion_file}", step, config.steps)
            wanted = act(obs)
            noise = config.noise * torch.randn(wanted.shape, generator=generator, device=env.device)
            rows, before = followed_rows(env), obs[:, :width].clone()
            obs, _, terminated, truncated, _ = env.step((wanted + noise).clamp(-1, 1))
            steps.append((before, wanted.clone(), rows, terminated | truncated))
        library_hash = env.library.content_hash
    seen, actions, rows, done = (torch.stack(part, 1).cpu() for part in zip(*steps, strict=True))
    done[:, -1] = True
    ends = done.flatten().nonzero()[:, 0] + 1
    save_rollouts(
        Rollouts(seen.flatten(0, 1), actions.flatten(0, 1), rows.flatten(), ends, library_hash), config.output
    )
    print(f"{config.output}: {len(ends)} episodes, {done.numel()} steps, {done.numel() / len(ends):.0f} each")


def followed_rows(env: "HOIVectorEnv") -> "Tensor":
    """Library row (N,) that each row of the environment should be in now."""
    return env.library.frame_index(env.clip, env.start_frame + (env.progress - env.wait).clamp_min(0))


def _policy(config: RecordConfig, env):
    if not config.checkpoint:
        return lambda obs: env.reference_actions()
    from gymnasium.spaces import flatdim

    from hoigym.agents.policy import load_player

    size = flatdim(env.single_observation_space)
    return load_player(Path(config.checkpoint), task=config.task, obs_size=size, device=env.device).act
