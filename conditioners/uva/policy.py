"""A UVA model with everything that it needs to act: autoencoder, normaliser, text."""

from collections.abc import Mapping
from typing import TypedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from conditioners.uva.autoencoder import Autoencoder, make_autoencoder
from conditioners.uva.config import UVAConfig
from conditioners.uva.draws import Draws
from conditioners.uva.error import UVAError
from conditioners.uva.frames import HISTORY
from conditioners.uva.inputs import PROPRIOCEPTION, ModelInput, join_fields
from conditioners.uva.model import UVAModel
from conditioners.uva.normaliser import Normaliser
from conditioners.uva.sampling import sample


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
