"""Published configurations in small, with inputs and outputs that the original classes gave."""

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hoigym.adapters.uva.config import AutoencoderConfig, HeadConfig, InputsConfig, TrunkConfig, UVAConfig
from hoigym.adapters.uva.draws import Draws
from hoigym.adapters.uva.model import PREDICTED, PROPRIOCEPTION, Hidden, ModelInput, UVAModel, first_of, join_fields

NAMES = ("pusht", "pusht_histact", "libero10", "toolhang_wrist")


class Recorded(Draws):
    """Gives recorded numbers in place of random ones; steps follow the rule of the recordings."""

    def __init__(self, normals: list[Tensor]) -> None:
        super().__init__(torch.Generator())
        self.normals = list(normals)

    def normal(self, *shape: int) -> Tensor:
        value = self.normals.pop(0)
        assert value.shape == shape
        return value

    def integers(self, below: int, *shape: int) -> Tensor:
        return (37 * torch.arange(*shape) + 11) % below


def arrays(path: Path) -> dict[str, Tensor]:
    with np.load(path, allow_pickle=False) as archive:
        return {name: torch.from_numpy(np.asarray(archive[name])) for name in archive}


def tiny_config(shared: Path, name: str) -> UVAConfig:
    given = json.loads((shared / "oracle/uva_mar_tiny_configs.json").read_text())[name]
    trunk = TrunkConfig(
        given["encoder_embed_dim"],
        given["encoder_depth"],
        given["encoder_num_heads"],
        given["decoder_depth"],
        given["decoder_num_heads"],
    )
    return UVAConfig(
        image_size=given["img_size"],
        autoencoder=AutoencoderConfig(width=32),
        trunk=trunk,
        video_head=HeadConfig(given["diffloss_w"], given["diffloss_d"], int(given["num_sampling_steps"])),
        action_head=HeadConfig(given["diffloss_act_w"], given["diffloss_act_d"], int(given["act_diff_testing_steps"])),
        inputs=InputsConfig(
            action_dim=given["A"],
            history_action=bool(given["use_history_action"]),
            text=given["language_emb_model"] is not None,
            proprioception="toolhang" if given["use_proprioception"] else "none",
            predict_proprioception=bool(given["predict_proprioception"]),
            predict_wrist=bool(given["predict_wrist_img"]),
        ),
    )


def tiny_model(shared: Path, name: str) -> UVAModel:
    model = UVAModel(tiny_config(shared, name))
    model.load_state_dict(arrays(shared / f"oracle/uva_mar_{name}_tiny_weights.npz"))
    return model.eval()


def tiny_input(io: dict[str, Tensor]) -> ModelInput:
    felt = {key.removeprefix("in_prop_"): value for key, value in io.items() if key.startswith("in_prop_")}
    kind = "toolhang" if felt else "none"
    return ModelInput(
        history=io["in_cond"],
        future=io["in_x"],
        action=io["in_nactions"],
        history_action=io.get("in_history_nactions"),
        text=io.get("in_text_latents"),
        proprioception=join_fields(felt, PROPRIOCEPTION[kind]) if felt else None,
        proprioception_future=join_fields(felt, PREDICTED[kind], "_pred") if felt else None,
        wrist_history=felt.get("second_image_z"),
        wrist_future=felt.get("pred_second_image_z"),
    )


def tiny_hidden(io: dict[str, Tensor]) -> Hidden:
    return Hidden(first_of(io["in_orders"], int(io["in_num_masked"])))


def relative(value: Tensor, reference: Tensor) -> float:
    """Largest difference over the mean size of the reference."""
    assert value.shape == reference.shape
    return float((value - reference).abs().max() / reference.abs().mean())
