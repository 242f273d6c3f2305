"""State of a training run of the loop as tensors and plain values, with its averaged weights."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from hoigym.core.checkpoint import Checkpoint, CheckpointError

LARGEST_DECAY, POWER = 0.9999, 0.75


def decay(updates: int) -> float:
    """Share of the old average after so many earlier updates: min(0.9999, 1 - (1 + s)^-0.75), s = updates - 1.

    0 for the first two. Source: repository ShuangLI59/unified_video_action (as in diffusion_policy's EMA).
    """
    return min(LARGEST_DECAY, 1.0 - max(updates, 1) ** -POWER)


class AveragedWeights:
    """A running average of a module's trained parameters; the rest of its state (statistics, counters) is copied.

    values: the average by state name.
    """

    def __init__(self, module: nn.Module) -> None:
        self.values = {name: value.detach().clone() for name, value in module.state_dict().items()}
        self._trained = {name for name, value in module.named_parameters() if value.requires_grad}

    @torch.no_grad()
    def update(self, module: nn.Module, updates: int) -> None:
        """Takes in the module's state after a step; updates: steps before it."""
        share = 1.0 - decay(updates)
        for name, value in module.state_dict().items():
            if name in self._trained:
                self.values[name].lerp_(value, share)
            else:
                self.values[name].copy_(value)

    def load(self, values: Mapping[str, Tensor]) -> None:
        """Continues from stored values."""
        for name, value in self.values.items():
            value.copy_(values[name])

    @contextmanager
    def applied_to(self, module: nn.Module) -> Iterator[None]:
        """The module has the averaged weights inside the block, and its own again after it."""
        own = {name: value.detach().clone() for name, value in module.state_dict().items()}
        module.load_state_dict(self.values)
        try:
            yield
        finally:
            module.load_state_dict(own)


# --- A training run of the loop as tensors and plain values, and back -----------------------------------------------


UNIT = "step"


def collect_tensors(
    module: nn.Module, optimizer: torch.optim.Optimizer, averaged: AveragedWeights | None
) -> dict[str, Tensor]:
    """Weights, averaged weights and the optimiser's moments, by dotted name."""
    tensors = {f"model.{name}": value for name, value in module.state_dict().items()}
    if averaged is not None:
        tensors |= {f"ema.{name}": value for name, value in averaged.values.items()}
    names = _optimised(module, optimizer)
    for index, moments in optimizer.state_dict()["state"].items():
        for key, value in moments.items():
            tensors[f"optimizer.{names[index]}.{key}"] = torch.as_tensor(value)
    return tensors


def restore(
    checkpoint: Checkpoint, module: nn.Module, optimizer: torch.optim.Optimizer, averaged: AveragedWeights | None
) -> int:
    """Puts a checkpoint back; returns the steps it had done.

    Raises CheckpointError where it does not fit.
    """
    load_weights(module, checkpoint.section("model"), str(checkpoint.path))
    values = checkpoint.section("ema")
    if bool(values) != (averaged is not None):
        made, here = ("with", "without") if values else ("without", "with")
        raise CheckpointError(f"{checkpoint.path} was made {made} averaged weights (ema), this run is {here} them")
    if averaged is not None:
        averaged.load(values)
    names = _optimised(module, optimizer)
    index_of = {name: index for index, name in enumerate(names)}
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in checkpoint.section("optimizer").items():
        parameter, key = name.rsplit(".", 1)
        if parameter not in index_of:
            raise CheckpointError(f"{checkpoint.path} has optimised {parameter}, this run does not")
        moments.setdefault(index_of[parameter], {})[key] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": moments, "param_groups": groups})
    return int(checkpoint.state[UNIT])


def load_weights(module: nn.Module, weights: Mapping[str, Tensor], source: str) -> None:
    """Fills a module; raises CheckpointError that names the first key which is missing, left over or of
    another shape.
    """
    own = module.state_dict()
    for name, value in own.items():
        if name not in weights:
            raise CheckpointError(f"{source}: '{name}' is missing")
        if weights[name].shape != value.shape:
            shapes = f"{tuple(weights[name].shape)}, expected {tuple(value.shape)}"
            raise CheckpointError(f"{source}: '{name}' has shape {shapes}")
    for name in weights:
        if name not in own:
            raise CheckpointError(f"{source}: '{name}' is unexpected")
    module.load_state_dict(dict(weights))


def trained_weights(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """What to use after training: the averaged weights where there are some."""
    return checkpoint.section("ema") or checkpoint.section("model")


def scaler_facts(scaler: Any) -> dict[str, float]:
    """State of the loss scaling of half precision, nothing in other precisions."""
    return {} if scaler is None else {f"scaler_{name}": value for name, value in scaler.state_dict().items()}


def restore_scaler(scaler: Any, state: Mapping[str, Any]) -> None:
    """Puts back what `scaler_facts` gave, where there is a scaler."""
    facts = {name.removeprefix("scaler_"): value for name, value in state.items() if name.startswith("scaler_")}
    if scaler is not None and facts:
        scaler.load_state_dict(facts)


def _optimised(module: nn.Module, optimizer: torch.optim.Optimizer) -> list[str]:
    """Names of the parameters in the optimiser's order."""
    name_of = {id(value): name for name, value in module.named_parameters()}
    return [name_of[id(value)] for group in optimizer.param_groups for value in group["params"]]
