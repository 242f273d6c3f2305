"""How fast the raw engine, the environment and the training loop are, measured in one run.

`python run.py bench` calls `measure`. The raw engine does exactly the physics of the environment: it is put into
each state that the environment passed through, with the same controls, and stepped by the same substeps. Rounds
of both alternate, and the median ratio of the rounds is printed, so a machine whose speed drifts does no harm.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from mujoco.batch import Batch
from torch import Tensor

from agents.config import AgentConfig
from agents.ppo import PPOAgent
from envs.config import EnvConfig
from envs.sim.mujoco_layout import MujocoLayout
from envs.vector_env import HOIVectorEnv
from motions.errors import UserError

_ROUNDS = 5
# Noise on the feed-forward actions, that of the published policy.
_ACTION_NOISE = 0.055


def measure(env_config: EnvConfig, agent_config: AgentConfig, *, seconds: float = 10.0) -> dict[str, float]:
    """Prints and returns steps/s of the raw engine, the environment and PPO, and their ratios.

    seconds: time for each of the three.

    Raises UserError for another engine than `mujoco`, whose states the raw engine is put into.
    """
    if env_config.engine != "mujoco":
        raise UserError(f"bench measures engine mujoco, not yet {env_config.engine}")
    env = HOIVectorEnv(env_config)
    try:
        raw, stepped, ratio = _engine_and_env(env, seconds)
        loop, shares = _training(env, agent_config, seconds)
    finally:
        env.close()
    scene = env_config.scene
    print(f"{env_config.task}, {scene.hands} hands, nv {env.scene.model.nv}, {env.num_envs} rows, {env_config.engine}")
    print(f"raw engine       {raw:10,.0f} steps/s")
    print(f"environment      {stepped:10,.0f} steps/s  {ratio:.3f} of raw")
    share_text = ", ".join(f"{name} {100 * share:.0f} %" for name, share in shares.items())
    print(f"training (PPO)   {loop:10,.0f} samples/s  {loop / raw:.3f} of raw  ({share_text})")
    return {"raw": raw, "env": stepped, "ratio": ratio, "ppo": loop}


def _engine_and_env(env: HOIVectorEnv, seconds: float) -> tuple[float, float, float]:
    batch = Batch(env.scene.model, env.num_envs, nthread=env.config.threads)
    layout = MujocoLayout(env.scene, env.device)
    env.reset(seed=0)
    generator = torch.Generator(env.device).manual_seed(0)
    steps = _steps_for(lambda: env.step(_actions(env, generator)), seconds / (2 * _ROUNDS))
    env_rates, raw_rates = [], []
    for _ in range(_ROUNDS):
        states = []
        spent = 0.0
        for _ in range(steps):
            actions = _actions(env, generator)
            before = env.sim.snapshot()["state"]
            spent += _timed(lambda actions=actions: env.step(actions))
            states.append((before, layout.controls(env.drive_targets(actions))))
        env_rates.append(env.num_envs * steps / spent)
        spent = sum(_raw_step(batch, state, controls, env.config.scene.substeps) for state, controls in states)
        raw_rates.append(env.num_envs * steps / spent)
    ratios = [mine / raw for mine, raw in zip(env_rates, raw_rates, strict=True)]
    return statistics.median(raw_rates), statistics.median(env_rates), statistics.median(ratios)


def _raw_step(batch: Batch, state: Tensor, controls: Tensor, substeps: int) -> float:
    batch.state[:] = state.numpy()
    batch.ctrl = controls.double().numpy()
    return _timed(lambda: batch.step(nstep=substeps))


def _training(env: HOIVectorEnv, config: AgentConfig, seconds: float) -> tuple[float, dict[str, float]]:
    agent = PPOAgent(env, replace(config, critic_warmup_epochs=0))
    agent.init_tensors()
    agent.current_obs = env.reset(seed=0)[0]
    agent.train_epoch()
    agent.timer.seconds()
    begin, samples = time.perf_counter(), 0
    while samples == 0 or time.perf_counter() - begin < seconds:
        agent.train_epoch()
        samples += agent.batch_size
    spent = time.perf_counter() - begin
    return samples / spent, {name: part / spent for name, part in agent.timer.seconds().items()}


def _actions(env: HOIVectorEnv, generator: torch.Generator) -> Tensor:
    actions = env.reference_actions()
    return actions + _ACTION_NOISE * torch.randn(actions.shape, generator=generator, device=env.device)


def _steps_for(step: Callable[[], object], seconds: float) -> int:
    """How many steps fill the time; the first ones warm up."""
    for _ in range(3):
        step()
    return max(4, int(seconds / _timed(step)))


def _timed(step: Callable[[], object]) -> float:
    begin = time.perf_counter()
    step()
    return time.perf_counter() - begin
