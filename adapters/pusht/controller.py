"""Acting in PushT: what a controller is given, and receding-horizon control by chunks of actions."""

import time
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hoigym.adapters.pusht.expert import PushTExpert
from hoigym.adapters.pusht.world import to_world
from hoigym.adapters.uva.config import CHUNK

Array = NDArray[np.float64]


class Observation(NamedTuple):
    """What is seen of n of the worlds. rows: (n,) which ones. state: (n, 5). image: (n, 96, 96, 3) uint8 or None."""

    rows: NDArray[np.int64]
    state: Array
    image: NDArray[np.uint8] | None


class Controller(Protocol):
    """Gives targets for many worlds at once.

    sees: whether it needs images.
    """

    sees: bool

    def reset(self, worlds: int) -> None:
        """Episodes begin."""
        ...

    def act(self, observation: Observation) -> Array:
        """Targets [pixels], (n, 2), of the worlds that are still running."""
        ...


class ChunkPolicy(Protocol):
    """Predicts the next actions from 16 observations."""

    sees: bool

    def predict(self, observed: dict[str, Tensor]) -> Tensor:
        """Actions to carry out (n, K, 2) [pixels]. observed: "state" (n, 16, 5), "agent_pos" (n, 16, 2) [pixels],
        and "image" (n, 16, 3, 96, 96) in [0, 1] if `sees`; oldest first.
        """
        ...


class RecedingHorizon:
    """Carries out a chunk, then asks for the next one.

    Before 16 steps have passed, the oldest observation stands for those that are missing.
    Attribute `seconds`: wall time of each prediction.
    """

    def __init__(self, policy: ChunkPolicy) -> None:
        self._policy = policy
        self.sees = policy.sees
        self.seconds: list[float] = []
        self.reset(0)

    def reset(self, worlds: int) -> None:
        self._history: dict[str, Tensor] = {}
        self._worlds, self._chunk, self._step = worlds, torch.empty(worlds, 0, 2), 0

    def act(self, observation: Observation) -> Array:
        self._remember(observation)
        rows = torch.from_numpy(observation.rows)
        if self._step == self._chunk.shape[1]:
            begin = time.perf_counter()
            actions = self._policy.predict(self._observed(rows))
            self.seconds.append(time.perf_counter() - begin)
            self._chunk, self._step = torch.zeros(self._worlds, *actions.shape[1:]), 0
            self._chunk[rows] = actions.cpu()
        self._step += 1
        return self._chunk[rows, self._step - 1].double().numpy()

    def _observed(self, rows: Tensor) -> dict[str, Tensor]:
        observed = {name: value[rows] for name, value in self._history.items()}
        if "image" in observed:
            observed["image"] = observed["image"].movedim(-1, -3).float() / 255.0
        return {**observed, "agent_pos": observed["state"][..., :2]}

    def _remember(self, observation: Observation) -> None:
        now = {"state": torch.from_numpy(observation.state).float()}
        if observation.image is not None:
            now["image"] = torch.from_numpy(observation.image)
        for name, value in now.items():
            if name not in self._history:
                self._history[name] = value[:, None].repeat(1, CHUNK, *[1] * (value.ndim - 1))
            else:
                held = self._history[name]
                held[:, :-1] = held[:, 1:].clone()
                held[observation.rows, -1] = value


class ExpertController:
    """The planning expert, one for each world."""

    sees = False

    def reset(self, worlds: int) -> None:
        self._experts = [PushTExpert() for _ in range(worlds)]

    def act(self, observation: Observation) -> Array:
        pairs = zip(observation.rows, observation.state, strict=True)
        return np.stack([self._experts[row].act(state) for row, state in pairs])


class Still:
    """A floor: the agent stays where it is."""

    sees = False

    def reset(self, worlds: int) -> None:
        pass

    def act(self, observation: Observation) -> Array:
        return observation.state[:, :2]


class Wander:
    """A floor: a new random target every eight steps."""

    sees = False

    def reset(self, worlds: int) -> None:
        self._rng = np.random.default_rng(0)
        self._step, self._targets = 0, np.empty((worlds, 2))

    def act(self, observation: Observation) -> Array:
        if self._step % 8 == 0:
            self._targets = self._rng.uniform(0.0, 512.0, self._targets.shape)
        self._step += 1
        return self._targets[observation.rows]


class DriveToBlock:
    """A floor: straight to the middle of the block."""

    sees = False

    def reset(self, worlds: int) -> None:
        pass

    def act(self, observation: Observation) -> Array:
        return np.stack([to_world(state[2:], np.array([0.0, 45.0])) for state in observation.state])
