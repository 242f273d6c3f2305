from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hoigym.adapters.uniskill.forward import DiffusionConfig, ForwardConfig
from hoigym.adapters.uniskill.isd import InverseDynamics, IsdConfig, in_sequence, resnet18
from hoigym.core.errors import UserError
from tests.adapters.uniskill.oracles import CLOSE, apart, arrays, key_list, own_keys

SMALL = IsdConfig(layers=2, heads=2, width=32, skill_dim=8, context_dim=16, resolution=64)


def loaded(shared: Path, name: str, config: IsdConfig) -> InverseDynamics:
    isd = InverseDynamics(config)
    isd.load_state_dict(arrays(shared, f"isd_{name}_weights"))
    return isd.eval()


def test_official_keys(shared: Path) -> None:
    with torch.device("meta"):
        isd = InverseDynamics(IsdConfig())
    assert own_keys(isd) == key_list(shared, "isd")
    assert sum(value.numel() for value in isd.parameters()) == 20_053_248


def worst(isd: InverseDynamics, io: dict[str, Tensor]) -> float:
    """How far any stage is from the known one."""
    depth, images = io["depth"], io["images"]
    low = depth.amin((-2, -1), keepdim=True)
    normed = (depth - low) / (depth.amax((-2, -1), keepdim=True) - low)
    tokens = isd.tokens(depth, images)
    after = isd.transformer(tokens + isd.pos_embed_spatial + isd.pos_embed_temporal)
    skill = isd.skill(depth, images)
    stages = {
        "mid_depth_tokens": isd.depth_proj(normed),
        "visual_tokens": isd.visual_tokens(images),
        "mid_modal_tokens": tokens,
        "mid_st_tokens": after,
        "mid_pooled_proj": isd.proj(after[:, -1:].mean(2)),
        "skill": skill[:, None],
        "latent": isd.context(skill),
    }
    if "mid_depth_normed" in io:
        stages["mid_depth_normed"] = normed
    return max(apart(value, io[stage]) for stage, value in stages.items())


@pytest.mark.parametrize(("name", "config"), [("small", SMALL), ("official", IsdConfig())])
@torch.no_grad()
def test_same_function_of_the_same_weights(shared: Path, name: str, config: IsdConfig) -> None:
    assert worst(loaded(shared, name, config), arrays(shared, f"isd_{name}_io")) < CLOSE


# Those whose change by 1 % shows least, and one of every part.
@pytest.mark.parametrize(
    "weight",
    [
        "transformer.layers.1.mlp.fc1.bias",
        "transformer.layers.1.spatial_attn.multihead_attn.in_proj_bias",
        "transformer.layers.0.temporal_attn.multihead_attn.out_proj.bias",
        "depth_proj.2.weight",
        "visual_encoder.6.1.conv1.weight",
        "modal_proj.0.bias",
        "skill_proj.weight",
    ],
)
@torch.no_grad()
def test_one_weight_that_is_off_shows(shared: Path, weight: str) -> None:
    isd = loaded(shared, "small", SMALL)
    isd.get_parameter(weight).mul_(1.01)
    assert worst(isd, arrays(shared, "isd_small_io")) > 4 * CLOSE


def test_the_first_frame_does_not_see_the_second() -> None:
    isd = InverseDynamics(SMALL).eval()
    tokens = torch.randn(1, 2, 16, 32)
    changed = tokens.clone()
    changed[:, 1] += 1.0
    left, right = isd.transformer(tokens), isd.transformer(changed)
    assert torch.equal(left[:, 0], right[:, 0])
    assert not torch.allclose(left[:, 1], right[:, 1])


def test_a_constant_depth_is_nan_only_as_published() -> None:
    isd = InverseDynamics(SMALL).eval()
    depth, images = torch.ones(1, 2, 64, 64), torch.rand(1, 2, 3, 64, 64)
    assert isd.skill(depth, images).isnan().all()
    assert isd.skill(depth, images, eps=1e-6).isfinite().all()


def test_sizes_that_cannot_be_are_one_line() -> None:
    for wrong in ({"resolution": 72}, {"width": 33}, {"heads": 0}):
        with pytest.raises(UserError, match="must be a multiple of"):
            replace(SMALL, **wrong)
    with pytest.raises(UserError, match=r"forward\.channels must be a multiple of 8, not 12"):
        ForwardConfig("regression", channels=12)
    with pytest.raises(UserError, match=r"isd\.skill_dim must be at least 1, not 0"):
        replace(SMALL, skill_dim=0)
    with pytest.raises(UserError, match=r"forward\.resolution must be at least 8, not 0"):
        ForwardConfig("regression", resolution=0)
    with pytest.raises(UserError, match=r"multiples of norm_groups and of heads \(32, 8\), not \[40\]"):
        DiffusionConfig(channels=(40,))


def test_the_small_trunk_fits_the_grid() -> None:
    config = IsdConfig(layers=1, heads=2, width=32, skill_dim=8, context_dim=16, resolution=96, trunk="small")
    z = InverseDynamics(config).skill(torch.rand(3, 2, 96, 96), torch.rand(3, 2, 3, 96, 96))
    assert z.shape == (3, 8)


def test_weights_of_an_image_classifier_fit_the_trunk() -> None:
    trunk = resnet18()
    names = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}
    classifier = {f"{names[name.split('.')[0]]}.{name.split('.', 1)[1]}": v for name, v in trunk.state_dict().items()}
    assert "layer2.0.downsample.1.running_var" in classifier
    resnet18().load_state_dict(in_sequence({**classifier, "fc.weight": torch.zeros(1)}))
