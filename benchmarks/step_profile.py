"""What a control step consists of: tensor operations and processor time of each part.

    python -m hoigym.benchmarks.step_profile [--task ballplay] [--motion_file DIR] [--num_envs 1024] [--v2]
        [--engine mujoco_warp --device cuda] [--as_gpu]

Operations are those that run a kernel: views are left out. With --as_gpu the code takes on a CPU the way that it takes
on a GPU, where it never asks how many rows are to be reset, so that the operations are those of a GPU. What belongs to
a part that is listed itself is not counted twice.
"""

import argparse
import contextlib
import functools
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from hoigym.envs.config import StartConfig
from hoigym.envs.make import make_env, task_config
from hoigym.envs.vector_env import HOIVectorEnv

PARTS = {
    "drive targets": ("sim", "hold"),
    "physics": ("sim", "advance"),
    "set rows anew": ("sim", "place"),
    "physics of rows set anew": ("sim", "settle"),
    "reward": ("_judge", "reward"),
    "contacts": ("_judge", "contacts"),
    "termination": ("_judge", "end"),
    "observation": ("", "_observe"),
    "starts": ("_starts", "draw"),
    "history": ("_observer", "remember"),
    "reset": ("", "_end_episodes"),
    "past of rows set anew": ("", "_begin"),
    "step": ("", "step"),
}
"""Name -> (attribute of the environment, its method); "step" and "reset" are what is left of them."""
_WARM_UP, _STEPS = 16, 64


class Ledger(TorchDispatchMode):
    """Books operations and processor time on the innermost part under way."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: dict[str, int] = defaultdict(int)
        self.seconds: dict[str, float] = defaultdict(float)
        self.counting = False
        self._open: list[str] = []
        self._since = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self.counting and self._open and not func.is_view:
            self.operations[self._open[-1]] += 1
        return func(*args, **(kwargs or {}))

    def watch(self, part: str, method: Callable[..., Any]) -> Callable[..., Any]:
        """The method, booked on part."""

        @functools.wraps(method)
        def watched(*args: Any, **kwargs: Any) -> Any:
            self._turn()
            self._open.append(part)
            try:
                return method(*args, **kwargs)
            finally:
                self._turn()
                self._open.pop()

        return watched

    def _turn(self) -> None:
        now = time.process_time()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now


def profile(env: HOIVectorEnv, steps: int = _STEPS) -> dict[str, tuple[float, float]]:
    """Operations, and milliseconds of processor time, of each part in one step on average."""
    ledger = Ledger()
    for part, (owner, method) in PARTS.items():
        target = getattr(env, owner) if owner else env
        setattr(target, method, ledger.watch(part, getattr(target, method)))
    env.reset(seed=0)
    _roll(env, _WARM_UP)
    ledger.seconds.clear()
    _roll(env, steps)
    seconds = dict(ledger.seconds)
    ledger.counting = True
    with ledger:
        _roll(env, steps)
    return {part: (ledger.operations[part] / steps, 1000.0 * seconds.get(part, 0.0) / steps) for part in PARTS}


def _roll(env: HOIVectorEnv, steps: int) -> None:
    """Feed-forward with the published action noise."""
    generator = torch.Generator(env.device).manual_seed(1)
    for _ in range(steps):
        actions = env.reference_actions()
        noise = torch.randn(actions.shape, generator=generator, device=env.device)
        env.step(actions + 0.055 * noise)


def main() -> None:
    """Prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="ballplay")
    parser.add_argument("--motion_file", default="")
    parser.add_argument("--num_envs", type=int, default=1024)
    parser.add_argument("--hands", default="locked")
    parser.add_argument("--engine", default="mujoco")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--encoder", default="")
    parser.add_argument("--v2", action="store_true", help="starts with noise and switches, adaptive sampling")
    parser.add_argument("--as_gpu", action="store_true")
    given = parser.parse_args()
    start = StartConfig(noise=0.1, switch=0.1, adaptive=0.5) if given.v2 else StartConfig()
    changes = {"scene": {"hands": given.hands}, "warp": {"device": given.device}, "start": vars(start)}
    changes |= {"history": {"encoder": given.encoder}, "episode": {"max_root_error": 0.5, "max_object_error": 0.5}}
    base = {"num_envs": given.num_envs, "engine": given.engine, "motion_file": given.motion_file, "threads": 1}
    config = task_config(given.task, **base, **changes)
    stalls = (lambda device: True) if given.as_gpu else (lambda device: device.type != "cpu")
    with contextlib.ExitStack() as patches:
        for module in ("hoigym.sim.env_ids", "hoigym.envs.start", "hoigym.envs.vector_env"):
            patches.enter_context(mock.patch(f"{module}.counting_stalls", stalls))
        parts = profile(make_env(config))
    print(f"{given.task}, {given.hands} hands, {given.num_envs} rows, {given.engine}\n")
    print("| part | operations | processor time [ms] |\n|---|---|---|")
    for part, (operations, milliseconds) in parts.items():
        print(f"| {part} | {operations:.1f} | {milliseconds:.2f} |")
    print(f"| all | {sum(o for o, _ in parts.values()):.1f} | {sum(m for _, m in parts.values()):.2f} |")


if __name__ == "__main__":
    main()
