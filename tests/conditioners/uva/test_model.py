"""The transformer against the latents that the original gave."""

from pathlib import Path

import pytest
import torch

from conditioners.uva.config import MODE_NAMES
from conditioners.uva.losses import mode_loss
from conditioners.uva.sampling import sample
from tests.conditioners.uva.published import NAMES, Recorded, arrays, relative, tiny_hidden, tiny_input, tiny_model


@pytest.mark.parametrize("name", NAMES)
def test_latents_and_losses_are_the_published(shared: Path, name: str):
    io = arrays(shared / f"oracle/uva_mar_{name}_tiny_io.npz")
    model, given, hidden = tiny_model(shared, name), tiny_input(io), tiny_hidden(io)
    with torch.no_grad():
        encoded = model.encode(given, "full_dynamic_model", hidden)
        assert relative(encoded, io["enc_full_dynamic_model"]) < 1e-5
        for mode in MODE_NAMES:
            z = model(given, mode, hidden)
            assert relative(z, io[f"z_{mode}"]) < 1e-5, mode
            noises = [io[key] for key in io if key.startswith(f"lossnoise_{mode}_")]
            total, parts = mode_loss(model, given, mode, hidden, Recorded(noises))
            print(mode, total, parts, io[f"loss_{mode}"])
