"""A training run of the loop as tensors and plain values, and back."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from conditioners.learning.averaged import AveragedWeights
from motions.checkpoint import Checkpoint, CheckpointError

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
