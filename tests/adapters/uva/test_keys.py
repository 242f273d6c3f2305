"""Names and shapes of released weights against the model's own, without memory for them."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hoigym.adapters.uva.config import AutoencoderConfig, InputsConfig, UVAConfig
from hoigym.adapters.uva.model import UVAModel
from hoigym.adapters.uva.policy import UVAPolicy
from hoigym.adapters.uva.pretrained import start_from
from hoigym.adapters.uva.released import load_released, split_released
from hoigym.core.checkpoint import CheckpointError

CONFIGS = {
    "pusht": InputsConfig(),
    "pusht_multitask": InputsConfig(),
    "pusht_stage1_video": InputsConfig(predict_action=False),
    "libero10": InputsConfig(10, text=True),
    "libero10_stage1_video": InputsConfig(10, text=True, predict_action=False),
    "toolhang_plain": InputsConfig(10),
    "toolhang_wrist_proprio": InputsConfig(
        10, proprioception="toolhang", predict_proprioception=True, predict_wrist=True
    ),
    "umi_multi": InputsConfig(10, text=True, proprioception="umi", predict_proprioception=True),
    "umi_multi_stage1_video": InputsConfig(10, text=True, predict_action=False),
}


def meta_weights(listed: Mapping[str, Mapping]) -> dict[str, Tensor]:
    return {
        name: torch.empty(facts["shape"], dtype=getattr(torch, facts["dtype"].removeprefix("torch.")), device="meta")
        for name, facts in listed.items()
    }


def meta_policy(inputs: InputsConfig) -> UVAPolicy:
    pytest.importorskip("diffusers")
    with torch.device("meta"):
        return UVAPolicy(UVAConfig(inputs=inputs, autoencoder=AutoencoderConfig()))


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGS)
def test_released_names_are_the_policys(shared: Path, name: str):
    listed = json.loads((shared / f"oracle/uva_keys_{name}.json").read_text())["keys"]
    parts = split_released(meta_weights(listed))
    text = parts.pop("text_model", None)
    # Strict: a weight that is missing, left over or of another shape raises.
    load_released(meta_policy(CONFIGS[name]), parts, name)
    assert (text is not None) == CONFIGS[name].text


def test_text_weights_are_those_of_the_text_model(shared: Path):
    pytest.importorskip("transformers")
    from hoigym.adapters.uva.text import TextEncoder

    listed = json.loads((shared / "oracle/uva_keys_libero10.json").read_text())["keys"]
    text = split_released(meta_weights(listed))["text_model"]
    with torch.device("meta"):
        own = TextEncoder().text_model.state_dict()
    assert {key: value.shape for key, value in text.items()} == {key: value.shape for key, value in own.items()}


def test_a_weight_too_few_is_named(shared: Path):
    listed = json.loads((shared / "oracle/uva_keys_pusht.json").read_text())["keys"]
    del listed["model.z_proj.bias"]
    with pytest.raises(CheckpointError, match="'model.z_proj.bias' is missing"):
        load_released(meta_policy(InputsConfig()), split_released(meta_weights(listed)), "some file")


@pytest.mark.parametrize(("name", "inputs"), [("pusht", "pusht"), ("libero10", "libero10"), ("umi_multi", "umi_multi")])
def test_mar_fills_the_listed_weights(shared: Path, name: str, inputs: str):
    expected = json.loads((shared / f"oracle/uva_from_mar_{name}.json").read_text())
    listed = json.loads((shared / "oracle/mar_base_keys.json").read_text())["keys"]
    with torch.device("meta"):
        model = UVAModel(UVAConfig(inputs=CONFIGS[inputs]))
    filled = start_from(model, meta_weights(listed))
    assert filled == sorted(expected["filled"])
    assert set(listed) - set(filled) == set(expected["mar_unused"])
    assert set(model.state_dict()) - set(filled) == set(expected["uva_fresh"])
