"""UVA policy: a model with everything that it needs to act: autoencoder, normaliser, text."""

from collections.abc import Mapping
from typing import TypedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from hoigym.adapters.uva.autoencoder import Autoencoder, make_autoencoder
from hoigym.adapters.uva.config import UVAConfig, UVAError
from hoigym.adapters.uva.draws import Draws
from hoigym.adapters.uva.model import HISTORY, PROPRIOCEPTION, ModelInput, UVAModel, join_fields
from hoigym.adapters.uva.sampling import sample

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


# --- A UVA model with everything that it needs to act: autoencoder, normaliser, text --------------------------------


class Prediction(TypedDict):
    """action (B, 8, A) to carry out, action_pred (B, 16, A) all of the chunk, raw units; video (B, 4, 3, H, W) in
    [0, 1] at time steps 4, 8, 12, 16 from now, or None.
    """

    action: Tensor
    action_pred: Tensor
    video: Tensor | None


class UVAPolicy(nn.Module):
    """Looks at 16 observations, gives 16 actions. State: model, vae_model, normalizer."""

    def __init__(self, config: UVAConfig) -> None:
        super().__init__()
        self.config = config
        self.model = UVAModel(config)
        self.vae_model = make_autoencoder(config)
        self.normalizer = Normaliser()

    @torch.no_grad()
    def predict_action(
        self, obs: Mapping[str, Tensor], generator: torch.Generator, decode_video: bool = False, iterations: int = 1
    ) -> Prediction:
        """What to do next.

        obs: "image" (B, 16, 3, H, W) in [0, 1], oldest first; "text" (B, 512) where the model reads text; the
        fields of its proprioception (B, 16, W), raw; "action" (B, 16, A), raw, where it reads past actions;
        "wrist" (B, 16, 3, H, W) where it has a second camera.
        generator: on the model's device. decode_video: also sample the video, over `iterations`; the action is
        the same, bit for bit, with and without. The model should be in evaluation mode.
        Raises UVAError where an observation is missing.
        """
        self.require_actions()
        draws = Draws(generator)
        given = self.observed(obs, draws)
        mode = "video_model" if decode_video else "policy_model"
        result = sample(self.model, given, mode, draws, iterations=iterations, temperature=self.config.temperature)
        assert result.action is not None
        action = self.normalizer.restore("action", result.action) if self._scaled("action") else result.action
        video = None if result.video is None else self.decode(result.video)
        return {"action": action[:, : self.config.execute], "action_pred": action, "video": video}

    def observed(self, obs: Mapping[str, Tensor], draws: Draws) -> ModelInput:
        """What the model is given of observations, as in `predict_action`. Raises UVAError where one is missing."""
        inputs = self.config.inputs
        kind = inputs.proprioception
        seen = list(HISTORY)
        # Models that learn from pictures at drawn steps are told what was felt when these were taken, and no more.
        felt_steps = seen if self.config.random_history else slice(None)
        felt = {name: self.normalise(name, _observation(obs, name)[:, felt_steps]) for name in PROPRIOCEPTION[kind]}
        history = self.encode(_observation(obs, "image")[:, seen], draws)
        wrist = self.encode(_observation(obs, "wrist")[:, seen], draws) if kind == "toolhang" else None
        past = self.normalise("action", _observation(obs, "action")) if inputs.history_action else None
        return ModelInput(
            history=history,
            history_action=past,
            text=_observation(obs, "text") if inputs.text else None,
            proprioception=join_fields(felt, PROPRIOCEPTION[kind]) if felt else None,
            wrist_history=wrist,
        )

    def require_actions(self) -> None:
        """Raises UVAError for a first stage of training, which has no action head."""
        if not self.config.inputs.predict_action:
            raise UVAError("this UVA model has no action head: it is the first stage of training")

    def encode(self, pictures: Tensor, draws: Draws | None = None) -> Tensor:
        """Latent frames (B, T, C, h, w) of pictures (B, T, 3, H, W) in [0, 1].

        draws: where the autoencoder's distribution is drawn from; its mean counts where this is None.
        """
        chosen = draws if self.config.autoencoder.sample else None
        flat = self.resize(pictures.flatten(0, 1))
        return self._autoencoder.encode(flat, chosen).unflatten(0, pictures.shape[:2])

    def resize(self, pictures: Tensor) -> Tensor:
        """Pictures (N, 3, H, W) at the model's size, bilinear as published; unchanged where they fit already."""
        size = (self.config.image_size, self.config.image_size)
        if pictures.shape[-2:] == size:
            return pictures
        return functional.interpolate(pictures, size, mode="bilinear", align_corners=False)

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures (B, T, 3, H, W) in [0, 1] of latent frames (B, T, C, h, w)."""
        return self._autoencoder.decode(latents.flatten(0, 1)).unflatten(0, latents.shape[:2])

    def normalise(self, name: str, value: Tensor) -> Tensor:
        """A field in the model's units; released models without a normaliser take it raw."""
        return self.normalizer.normalise(name, value) if self._scaled(name) else value

    @property
    def _autoencoder(self) -> Autoencoder:
        return self.vae_model  # pyright: ignore[reportReturnType]

    def _scaled(self, name: str) -> bool:
        return name in self.normalizer


def _observation(obs: Mapping[str, Tensor], name: str) -> Tensor:
    if name not in obs:
        raise UVAError(f"this UVA model needs the observation '{name}' (given: {', '.join(obs) or 'none'})")
    return obs[name]
