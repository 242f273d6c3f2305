"""The transformer and its losses against what the original gave."""

from pathlib import Path

import pytest
import torch

from hoigym.adapters.uva.config import MODE_NAMES, UVAError
from hoigym.adapters.uva.model import ModelInput
from hoigym.adapters.uva.training import mode_loss
from tests.adapters.uva.published import NAMES, Recorded, arrays, relative, tiny_hidden, tiny_input, tiny_model


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_latents_and_losses_are_the_published(shared: Path, name: str):
    io = arrays(shared / f"oracle/uva_mar_{name}_tiny_io.npz")
    model, given, hidden = tiny_model(shared, name), tiny_input(io), tiny_hidden(io)
    assert torch.equal(hidden.tokens.float(), io["mask"])
    assert relative(model.encode(given, "full_dynamic_model", hidden), io["enc_full_dynamic_model"]) < 1e-5
    for mode in MODE_NAMES:
        assert relative(model(given, mode, hidden), io[f"z_{mode}"]) < 1e-5, mode
        noises = Recorded([io[key] for key in io if key.startswith(f"lossnoise_{mode}_")])
        total, parts = mode_loss(model, given, mode, hidden, noises)
        video = parts.get("video", torch.zeros(())) + parts.get("wrist", torch.zeros(()))
        found = torch.stack([total, video, parts.get("action", torch.zeros(()))])
        torch.testing.assert_close(found.double(), io[f"loss_{mode}"], rtol=1e-5, atol=1e-5)
        assert noises.normals == []


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_the_action_heads_condition_is_the_published(shared: Path, name: str):
    io = arrays(shared / f"oracle/uva_mar_{name}_tiny_io.npz")
    model = tiny_model(shared, name)
    condition = model.diffactloss.condition(model.to_grid(io["z_policy_model"]))
    assert relative(condition, io["act_cond_policy_model"]) < 1e-5


@torch.no_grad()
def test_what_a_mode_hides_does_not_matter(shared: Path):
    io = arrays(shared / "oracle/uva_mar_pusht_tiny_io.npz")
    model, given, hidden = tiny_model(shared, "pusht"), tiny_input(io), tiny_hidden(io)
    history, future, action = given.history, given.future, given.action
    assert future is not None
    assert action is not None
    seen = torch.where(hidden.tokens.unflatten(1, (16, 16))[:, None, None], future + 1.0, future)
    same = {
        "policy_model": ModelInput(history, future + 1.0, action + 1.0),
        "video_model": ModelInput(history, seen, action + 1.0),
        "dynamic_model": ModelInput(history, seen, action),
        "inverse_model": ModelInput(history + 1.0, future, action + 1.0),
        "full_dynamic_model": ModelInput(history, seen, action + 1.0),
    }
    for mode in MODE_NAMES:
        assert torch.equal(model(given, mode, hidden), model(same[mode], mode, hidden)), mode


def test_a_missing_input_is_named(shared: Path):
    io = arrays(shared / "oracle/uva_mar_libero10_tiny_io.npz")
    model = tiny_model(shared, "libero10")
    with pytest.raises(UVAError, match="needs text"):
        model(ModelInput(io["in_cond"]), "policy_model", tiny_hidden(io))
