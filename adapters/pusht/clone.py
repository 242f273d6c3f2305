"""Plain behaviour cloning of PushT demonstrations: what any cleverer policy has to beat."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import default_collate

from hoigym.adapters.learning.fit import fit
from hoigym.adapters.learning.learner import Batch, FitConfig, FitResult
from hoigym.adapters.learning.state import load_weights, trained_weights
from hoigym.adapters.pusht.world import IMAGE_SIZE, OUTLINE
from hoigym.adapters.uva.config import CHUNK, UVAError
from hoigym.adapters.uva.model import HISTORY
from hoigym.adapters.uva.policy import Normaliser
from hoigym.adapters.uva.replay_buffer import ReplayBuffer, read_replay
from hoigym.adapters.uva.windows import ReplayWindows, WindowOptions, fit_arrays, split_episodes
from hoigym.core.checkpoint import load_latest
from hoigym.core.config import from_plain
from hoigym.core.run_folder import CONFIG_FILE

_ACTION = 2
_CENTRE = 256.0
_NEAR = 100.0
_FEATURES = 22


@dataclass(frozen=True)
class CloneConfig:
    """A cloned policy and its training."""

    sees: bool = False
    """True: four pictures, nothing else. False: the present positions of agent and block."""
    width: int = 512
    """Of the hidden layers; the convolutions have up to a quarter of it."""
    execute: int = 8
    """Actions of a chunk of 16 that are carried out."""
    episodes: int = 0
    """How many of the episodes to use; 0 for all."""
    held_out: float = 0.02
    """Share of the episodes that validation keeps."""
    learning_rate: float = 1e-3
    fit: FitConfig = field(default_factory=lambda: FitConfig(ema=True, batch_size=128))

    def __post_init__(self) -> None:
        if self.width < 16 or not 1 <= self.execute <= CHUNK:
            raise UVAError(f"width must be at least 16, execute in 1 .. {CHUNK}")


class ClonedPolicy(nn.Module):
    """Regresses the next 16 actions at once. State: net, normalizer."""

    def __init__(self, config: CloneConfig) -> None:
        super().__init__()
        self.config = config
        self.sees = config.sees
        self.net = _image_net(config.width) if config.sees else _state_net(config.width)
        self.normalizer = Normaliser()

    def forward(self, observed: Mapping[str, Tensor]) -> Tensor:
        """Normalised actions (n, 16, 2). observed: as in `predict`, of the pictures the four that are seen."""
        if self.sees:
            return self._chunk(observed["image"].flatten(1, 2) - 0.5)
        here = self.normalizer.normalise("action", observed["agent_pos"][:, CHUNK - 1 : CHUNK])
        return here + self._chunk(_features(observed["state"][:, CHUNK - 1]))

    def _chunk(self, given: Tensor) -> Tensor:
        return self.net(given).unflatten(1, (CHUNK, _ACTION))

    @torch.no_grad()
    def predict(self, observed: dict[str, Tensor]) -> Tensor:
        """The actions to carry out (n, 8, 2) [pixels] after 16 observations; see ChunkPolicy."""
        if self.sees:
            observed = {"image": observed["image"][:, list(HISTORY)]}
        actions = self.normalizer.restore("action", self(observed))
        return actions[:, : self.config.execute]


class CloneLearner:
    """Mean absolute error of the chunk; half a cosine as learning rate.

    examples: a held-out batch for validation.
    """

    def __init__(self, policy: ClonedPolicy, config: CloneConfig, examples: Batch) -> None:
        self.module = policy
        self._config, self._examples = config, examples

    def loss(self, batch: Batch, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of a batch; nothing is drawn."""
        return functional.l1_loss(self.module(batch), self._target(batch)), {}

    def optimizer(self) -> torch.optim.Optimizer:
        """AdamW."""
        return torch.optim.AdamW(self.module.net.parameters(), lr=self._config.learning_rate, weight_decay=1e-4)

    def schedule(self, step: int) -> float:
        """From one to zero over the run, after a rise over 100 steps."""
        share = min(1.0, step / max(1, self._config.fit.steps))
        return min(1.0, (step + 1) / 100) * 0.5 * (1.0 + float(np.cos(np.pi * share)))

    def validate(self, step: int) -> Mapping[str, float | np.ndarray]:
        """Mean error of the actions [pixels], beside that of staying where the agent is."""
        device = next(self.module.parameters()).device
        batch = {name: value.to(device) for name, value in self._examples.items()}
        target = _chunk(batch["action"])
        error = self.module.normalizer.restore("action", self.module(batch)) - target
        stay = batch["agent_pos"][:, CHUNK - 1 : CHUNK] - target
        return {"error": float(error.norm(dim=-1).mean()), "error of staying": float(stay.norm(dim=-1).mean())}

    def _target(self, batch: Batch) -> Tensor:
        return self.module.normalizer.normalise("action", _chunk(batch["action"]))


def _chunk(action: Tensor) -> Tensor:
    """The 16 actions from now on, of a window (n, 32, 2)."""
    return action[:, CHUNK - 1 : 2 * CHUNK - 1]


def _features(state: Tensor) -> Tensor:
    """States (n, 5) as numbers near 1: the block's corners, its turn, the agent in the window and in the block's frame.

    (n, 22). The published state policies are given the corners too.
    """
    agent, block, angle = state[:, :2], state[:, 2:4], state[:, 4]
    cos, sin = angle.cos(), angle.sin()
    turn = torch.stack([torch.stack([cos, -sin], -1), torch.stack([sin, cos], -1)], -2)
    corners = torch.einsum("nij,kj->nki", turn, state.new_tensor(OUTLINE)) + block[:, None]
    near = torch.einsum("nji,nj->ni", turn, agent - block)
    places = torch.cat([corners.flatten(1), agent], -1) / _CENTRE - 1.0
    return torch.cat([places, near / _NEAR, cos[:, None], sin[:, None]], -1)


def _state_net(width: int) -> nn.Module:
    sizes = [_FEATURES, width, width, width]
    hidden = [layer for a, b in zip(sizes, sizes[1:], strict=False) for layer in (nn.Linear(a, b), nn.GELU())]
    return nn.Sequential(*hidden, nn.Linear(width, CHUNK * _ACTION))


def _image_net(width: int) -> nn.Module:
    """Pictures (n, 12, 96, 96) through convolutions to 6 x 6 places, then as above."""
    channels = [width // 16, width // 8, width // 4]
    return nn.Sequential(
        nn.Conv2d(3 * len(HISTORY), channels[0], 8, 4, 2),
        nn.GELU(),
        nn.Conv2d(channels[0], channels[1], 4, 2, 1),
        nn.GELU(),
        nn.Conv2d(channels[1], channels[2], 4, 2, 1),
        nn.GELU(),
        nn.Flatten(),
        nn.Linear(36 * channels[2], width),
        nn.GELU(),
        nn.Linear(width, CHUNK * _ACTION),
    )


# --- Training of a cloned policy, and reading it back ---------------------------------------------------------------


SECTION = "clone"
_EXAMPLES = 256


def train_clone(
    config: CloneConfig, data: Path, run_dir: Path, resume: bool, run_config: Mapping[str, Any]
) -> FitResult:
    """Trains on a replay buffer, or goes on. run_config: what config.yaml should say beside the clone's settings.

    Raises UVAError for data that does not fit, and what `fit` raises.
    """
    buffer = read_replay(data, ["action", "state", *(["img"] if config.sees else [])])
    if config.episodes:
        buffer = buffer.first(config.episodes)
    kept, held_out = split_episodes(len(buffer.episode_ends), config.held_out)
    options = WindowOptions(picture="img" if config.sees else None, picture_steps=HISTORY)
    training, validation = (ReplayWindows(buffer, options, episodes) for episodes in (kept, held_out))
    if not len(validation):
        raise UVAError("held_out leaves no episode to validate on")
    _check(buffer, data)
    torch.manual_seed(config.fit.seed)
    policy = ClonedPolicy(config)
    policy.normalizer.fit(fit_arrays(buffer, ["action"]))
    rows = torch.linspace(0, len(validation) - 1, min(_EXAMPLES, len(validation))).long().tolist()
    learner = CloneLearner(policy, config, default_collate([validation[row] for row in rows]))
    return fit(learner, training, run_dir, config.fit, resume, run_config)


def load_clone(run_dir: Path) -> ClonedPolicy:
    """The policy of a run, its averaged weights, ready to act. Raises UVAError or CheckpointError."""
    described = clone_settings(run_dir)
    if described is None:
        raise UVAError(f"{run_dir} is no run of a cloned policy")
    checkpoint, _ = load_latest(run_dir)
    weights = trained_weights(checkpoint)
    try:
        policy = ClonedPolicy(from_plain(CloneConfig, described))
    except (TypeError, AttributeError) as error:
        raise UVAError(f"{run_dir}: its {CONFIG_FILE} does not describe a cloned policy ({error})") from None
    policy.normalizer.make_fields(weights, "normalizer.")
    load_weights(policy, weights, str(checkpoint.path))
    return policy.eval()


def clone_settings(run_dir: Path) -> dict[str, Any] | None:
    """What config.yaml says of the clone; None where it is the run of something else. Raises UVAError."""
    path = run_dir / CONFIG_FILE
    if not path.is_file():
        raise UVAError(f"{run_dir} is no run: it has no {CONFIG_FILE}")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UVAError(f"{path}: cannot be read ({error})") from None
    return content.get(SECTION) if isinstance(content, dict) else None


def _check(buffer: ReplayBuffer, path: Path) -> None:
    """Raises UVAError for demonstrations of something else than PushT."""
    wanted = {"action": (2,), "state": (5,), "img": (IMAGE_SIZE, IMAGE_SIZE, 3)}
    for name, array in buffer.arrays.items():
        if array.shape[1:] != wanted[name]:
            raise UVAError(f"{path}: {name} of shape {array.shape[1:]} a step; that of PushT has {wanted[name]}")
