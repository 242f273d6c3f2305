"""Samples with recorded noise against those of the original."""

import re
from pathlib import Path
from typing import cast

import pytest
import torch
from torch import Tensor

from hoigym.adapters.uva.config import Mode
from hoigym.adapters.uva.draws import Draws
from hoigym.adapters.uva.heads import Diffusion
from hoigym.adapters.uva.sampling import sample
from tests.adapters.uva.published import NAMES, Recorded, arrays, relative, tiny_input, tiny_model


def cases(io: dict[str, Tensor]) -> set[tuple[Mode, int, float]]:
    found = (re.match(r"sample_(\w+)_it(\d+)_T([\d.]+)_\w+", key) for key in io)
    return {(cast(Mode, match[1]), int(match[2]), float(match[3])) for match in found if match}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_samples_are_the_published(shared: Path, name: str):
    io = arrays(shared / f"oracle/uva_mar_{name}_tiny_io.npz")
    model, given = tiny_model(shared, name), tiny_input(io)
    names = cases(io)
    assert names
    for mode, iterations, temperature in names:
        key = f"sample_{mode}_it{iterations}_T{temperature}"
        noises = [io[f"{key}_init{index}"] for index in range(20) if f"{key}_init{index}" in io]
        noises += list(io.get(f"{key}_chain", []))
        recorded = Recorded(noises)
        found = sample(
            model,
            given,
            mode,
            recorded,
            iterations=iterations,
            temperature=temperature,
            order=io["in_orders"],
            actions_from="last",
        )
        assert found.action is not None
        assert relative(found.action, io[f"{key}_actions"]) < 1e-3, key
        if found.video is not None:
            # A published sampler with a second camera returns that camera's tokens.
            tokens = found.video if found.wrist is None else found.wrist
            assert relative(tokens.flatten(0, 1), io[f"{key}_tokens"]) < 1e-4, key
        # The noise of the last step counts for nothing, so it is not drawn.
        assert len(recorded.normals) == (temperature > 0)


@torch.no_grad()
def test_the_first_actions_are_those_without_a_video(shared: Path):
    io = arrays(shared / "oracle/uva_mar_pusht_tiny_io.npz")
    model, given = tiny_model(shared, "pusht"), tiny_input(io)
    model.diffloss.chain = model.diffactloss.chain = Diffusion(5)
    alone = sample(model, given, "policy_model", Draws(torch.Generator().manual_seed(3)))
    both = sample(model, given, "full_dynamic_model", Draws(torch.Generator().manual_seed(3)), iterations=2)
    assert alone.action is not None
    assert both.action is not None
    assert torch.equal(alone.action, both.action)
    assert alone.video is None
    assert both.video is not None
