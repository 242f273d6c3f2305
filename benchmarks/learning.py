"""What a run has learned: its curve, and its policy beside ones that learn nothing.

    python -m hoigym.benchmarks.learning RUN_DIR [--picture learning.png]

Every policy plays the same starts deterministically: the reference frames of the run's clips, 60 steps, no early
termination but a fall. An untrained policy has random weights; holding the pose drives the joints to the reference
pose of the next frame, or to the pose that the episode began in; feed-forward also runs ahead by the drives' lag.
"""

import argparse
import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import torch
import yaml
from torch import Tensor

from hoigym.agents.config import AgentConfig
from hoigym.agents.network import build_mlp
from hoigym.agents.policy import load_player
from hoigym.envs.config import EpisodeConfig
from hoigym.envs.make import task_config
from hoigym.envs.vector_env import HOIVectorEnv

_ROWS, _STEPS, _SEED = 256, 60, 1234


def main() -> None:
    """Prints the table and draws the curve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    rewards = compare(arguments.run_dir)
    for name, reward in rewards.items():
        print(f"{name:<24} mean reward per step {reward:.3f}")
    if arguments.picture:
        draw(arguments.run_dir, rewards, arguments.picture)


def compare(run_dir: Path) -> dict[str, float]:
    """Mean reward of the run's policy and of those that learn nothing, by name."""
    values = yaml.safe_load((run_dir / "config.yaml").read_text())["env"]
    config = task_config(**values)
    episode = EpisodeConfig(length=_STEPS, fall_height=config.episode.fall_height)
    env = HOIVectorEnv(dataclasses.replace(config, num_envs=_ROWS, seed=_SEED, episode=episode))
    player = load_player(run_dir, device=env.device)
    torch.manual_seed(0)
    untrained = build_mlp(player.obs_size, AgentConfig().hidden_sizes, player.action_size).to(env.device)
    policies: dict[str, Callable[[Tensor], Tensor]] = {
        "untrained policy": lambda obs: untrained(obs.clamp(-10.0, 10.0)).clamp(-1.0, 1.0),
        "hold the first pose": lambda obs: _pose_actions(env, env.start_frame),
        "hold the reference pose": lambda obs: _pose_actions(env, env.start_frame + env.progress + 1),
        "feed-forward": lambda obs: env.reference_actions(),
        "trained": player.act,
    }
    try:
        return {name: _play(env, act) for name, act in policies.items()}
    finally:
        env.close()


def draw(run_dir: Path, baselines: dict[str, float], path: Path) -> None:
    """The training curve over samples, the baselines as lines."""
    import matplotlib.pyplot as plt
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run_dir / "summaries"), size_guidance={"scalars": 0}).Reload()
    points = events.Scalars("reward/mean")
    figure, axes = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
    axes.plot([point.step / 1e6 for point in points], [point.value for point in points], label="training, with noise")
    for name, reward in baselines.items():
        axes.axhline(reward, color="C3" if name == "trained" else "grey", linestyle="--", linewidth=1)
        where = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "ha": "left"}
        axes.annotate(f"{name}, deterministic {reward:.3f}", (0.0, reward), xytext=(4, 2), fontsize=8, **where)
    axes.set_xlabel("samples [million]")
    axes.set_ylabel("mean reward per step")
    axes.set_ylim(0.0, 1.1 * max(*baselines.values(), *(point.value for point in points)))
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=110)


@torch.no_grad()
def _play(env: HOIVectorEnv, act: Callable[[Tensor], Tensor]) -> float:
    obs, _ = env.reset(seed=_SEED)
    total = 0.0
    for _ in range(_STEPS):
        obs, reward, *_ = env.step(act(obs))
        total += float(reward.mean()) / _STEPS
    return total


def _pose_actions(env: HOIVectorEnv, frame: Tensor) -> Tensor:
    pose = env.library.reference(env.library.frame_index(env.clip, frame)).joint_rot
    return (pose / math.pi).clamp(-1.0, 1.0).flatten(1)


if __name__ == "__main__":
    main()
