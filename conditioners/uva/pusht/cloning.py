"""Training of a cloned policy, and reading it back."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from torch.utils.data import default_collate

from conditioners.learning.fit import fit
from conditioners.learning.learner import FitResult
from conditioners.learning.plain import from_plain
from conditioners.learning.state import load_weights, trained_weights
from conditioners.uva.data.dataset import ReplayWindows, WindowOptions, fit_arrays
from conditioners.uva.data.replay_buffer import ReplayBuffer, read_replay
from conditioners.uva.data.windows import split_episodes
from conditioners.uva.error import UVAError
from conditioners.uva.frames import HISTORY
from conditioners.uva.pusht.clone import CloneConfig, ClonedPolicy, CloneLearner
from conditioners.uva.pusht.world import IMAGE_SIZE
from motions.checkpoint import load_latest
from motions.run_config import CONFIG_FILE

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
