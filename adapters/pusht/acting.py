"""The controllers that can be named: floors, the expert, cloned policies and UVA models."""

from pathlib import Path

import torch
from torch import Tensor

from hoigym.adapters.pusht.clone import clone_settings, load_clone
from hoigym.adapters.pusht.controller import (
    ChunkPolicy,
    Controller,
    DriveToBlock,
    ExpertController,
    RecedingHorizon,
    Still,
    Wander,
)
from hoigym.adapters.uva.config import UVAError
from hoigym.adapters.uva.pretrained import DESCRIPTION, load_pretrained

BUILT_IN: dict[str, type[Controller]] = {
    "expert": ExpertController,
    "still": Still,
    "random": Wander,
    "drive": DriveToBlock,
}
"""Controllers that need no training: the planner, and floors to compare with."""


class UVAChunks:
    """A UVA model as a chunk policy; pictures, and the agent's position where the model reads it.

    seed: of its draws. decode_video: also sample the future at every decision, which costs time and changes no action.
    Raises UVAError for a model of other actions.
    """

    sees = True

    def __init__(self, path: Path, seed: int, device: str = "cpu", decode_video: bool = False) -> None:
        self._policy = load_pretrained(path).to(device)
        self._policy.require_actions()
        if self._policy.config.inputs.action_dim != 2:
            found = self._policy.config.inputs.action_dim
            raise UVAError(f"{path}: its actions have {found} numbers; an action of PushT has 2")
        self._device, self._decode_video = device, decode_video
        self._generator = torch.Generator(device).manual_seed(seed)

    def predict(self, observed: dict[str, Tensor]) -> Tensor:
        """The actions to carry out (n, 8, 2) [pixels]; see ChunkPolicy."""
        given = {name: observed[name].to(self._device) for name in ("image", "agent_pos")}
        return self._policy.predict_action(given, self._generator, self._decode_video)["action"].cpu()


def named_controller(name: str, seed: int, device: str = "cpu", decode_video: bool = False) -> Controller:
    """A built-in controller, or the policy of a run folder or file. Raises UVAError or CheckpointError."""
    if name in BUILT_IN:
        return BUILT_IN[name]()
    path = Path(name)
    policy: ChunkPolicy
    if path.is_dir() and not (path / DESCRIPTION).is_file() and clone_settings(path) is not None:
        policy = load_clone(path)
    else:
        policy = UVAChunks(path, seed, device, decode_video)
    return RecedingHorizon(policy)
