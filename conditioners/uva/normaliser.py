"""Actions and other numbers brought to -1 .. 1."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from conditioners.uva.error import UVAError

_LEAST_RANGE = 1e-4
_STATISTICS = ("min", "max", "mean", "std")


class Normaliser(nn.Module):
    """y = x scale + offset for each number of each field; empty until it is fitted or loaded.

    State: params_dict.<field>.{scale, offset, input_stats.min, .max, .mean, .std}, as in released files.
    """

    def __init__(self) -> None:
        super().__init__()
        self.params_dict = nn.ModuleDict()

    def fit(self, values: Mapping[str, Tensor], scaled: Mapping[str, int] | None = None) -> None:
        """Takes the least and the greatest of each column to -1 and 1. values: field -> (N, W).

        scaled: field -> how many columns that is done to, the first ones; the others stay as they are.

        A column that hardly varies (range below 1e-4) is only shifted, to begin at zero: y = x - min.
        """
        for name, value in values.items():
            flat = value.detach().reshape(-1, value.shape[-1]).float()
            low, high = flat.amin(0), flat.amax(0)
            still = high - low < _LEAST_RANGE
            scale = 2.0 / torch.where(still, 2.0, high - low)
            offset = torch.where(still, -low, -1.0 - scale * low)
            kept = (scaled or {}).get(name, len(low))
            scale[kept:], offset[kept:] = 1.0, 0.0
            self._set(name, scale, offset, (low, high, flat.mean(0), flat.std(0)))

    def set_identity(self, name: str, width: int) -> None:
        """Leaves a field as it is."""
        one, zero = torch.ones(width), torch.zeros(width)
        self._set(name, one, zero, (-one, one, zero, one))

    def make_fields(self, state: Mapping[str, Tensor], prefix: str = "") -> None:
        """Has the fields that a state dict speaks of, so that it can be loaded. prefix: of the names in it."""
        start, end = f"{prefix}params_dict.", ".scale"
        for name, value in state.items():
            if name.startswith(start) and name.endswith(end):
                self.set_identity(name.removeprefix(start).removesuffix(end), len(value))

    def normalise(self, name: str, value: Tensor) -> Tensor:
        """value (..., W) of a field, brought to -1 .. 1. Raises UVAError for a field that was not fitted."""
        field = self._field(name)
        return value * field["scale"] + field["offset"]

    def restore(self, name: str, value: Tensor) -> Tensor:
        """The inverse of `normalise`."""
        field = self._field(name)
        return (value - field["offset"]) / field["scale"]

    def __contains__(self, name: str) -> bool:
        return name in self.params_dict

    def _field(self, name: str) -> dict[str, Tensor]:
        if name not in self.params_dict:
            known = ", ".join(self.params_dict) or "none"
            raise UVAError(f"the normaliser has no field '{name}' (it has {known})")
        return dict(self.params_dict[name].named_parameters())

    def _set(self, name: str, scale: Tensor, offset: Tensor, statistics: tuple[Tensor, ...]) -> None:
        field = nn.ParameterDict({"scale": _fixed(scale), "offset": _fixed(offset)})
        field["input_stats"] = nn.ParameterDict(
            {key: _fixed(value) for key, value in zip(_STATISTICS, statistics, strict=True)}
        )
        self.params_dict[name] = field


def _fixed(value: Tensor) -> nn.Parameter:
    return nn.Parameter(value.clone(), requires_grad=False)
