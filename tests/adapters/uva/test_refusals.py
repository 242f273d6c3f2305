"""Data, weights and options that do not fit are one clear line."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hoigym.adapters.uva.config import (
    DataConfig,
    HeadConfig,
    InputsConfig,
    TrunkConfig,
    UVAConfig,
    UVAError,
    UVATrainConfig,
)
from hoigym.adapters.uva.policy import UVAPolicy
from hoigym.adapters.uva.pretrained import save_pretrained, weights_to_start_from
from hoigym.adapters.uva.released import read_released
from hoigym.commands.app import main
from hoigym.core.checkpoint import CheckpointError
from tests.adapters.uva.test_inputs import SMALL

pytest.importorskip("accelerate")
zarr = pytest.importorskip("zarr")

STEPS = 40
GOOD = {
    "img": np.zeros((STEPS, 64, 64, 3), np.uint8),
    "action": np.zeros((STEPS, 2), np.float32),
    "state": np.zeros((STEPS, 5), np.float32),
}


def buffer(path: Path, arrays: Mapping[str, np.ndarray], text: str = "") -> str:
    """A replay buffer of two episodes, as another program may write it."""
    from hoigym.adapters.uva.replay_buffer import ReplayWriter

    writer = ReplayWriter(path)
    for _ in range(2):
        writer.append(arrays, text=text)
    return str(path)


def train(config: UVATrainConfig, run_dir: Path) -> None:
    from hoigym.adapters.uva.training import train as run

    run(config, run_dir, False, {})


@pytest.mark.parametrize(
    ("changed", "inputs", "said"),
    [
        ({"action": None}, InputsConfig(), r"no array 'action' \(it has img, state\)"),
        ({"img": None}, InputsConfig(), "no array 'img'"),
        ({"state": None}, InputsConfig(proprioception="agent"), "no array 'state'"),
        ({"img": np.zeros((STEPS, 64, 64), np.uint8)}, InputsConfig(), r"shape \(80, 64, 64\); expected pictures"),
        ({"img": np.zeros((STEPS, 3, 64, 64), np.uint8)}, InputsConfig(), "expected pictures"),
        ({"action": np.zeros(STEPS, np.float32)}, InputsConfig(), r"action has shape \(80,\); expected rows"),
        ({"state": np.zeros(STEPS, np.float32)}, InputsConfig(), r"state has shape \(80,\); expected rows"),
        ({}, InputsConfig(3), "actions have 2 numbers, model.inputs.action_dim is 3"),
        ({}, InputsConfig(proprioception="umi"), "proprioception umi cannot be trained"),
        ({}, InputsConfig(text=True), "data.sentences is missing"),
    ],
)
def test_data_that_does_not_fit_the_model(
    tmp_path: Path, changed: dict[str, np.ndarray | None], inputs: InputsConfig, said: str
):
    arrays = {name: array for name, array in {**GOOD, **changed}.items() if array is not None}
    data = DataConfig(buffer(tmp_path / "data.zarr", arrays), held_out=0.5)
    with pytest.raises(UVAError, match=said):
        train(UVATrainConfig(model=replace(SMALL, inputs=inputs), data=data), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_autoencoder_that_does_not_fit(tmp_path: Path):
    settings = UVATrainConfig(model=SMALL, data=DataConfig(buffer(tmp_path / "data.zarr", GOOD), held_out=0.5))
    other = replace(SMALL, autoencoder=replace(SMALL.autoencoder, channels=4))
    save_pretrained(UVAPolicy(other), tmp_path / "other")
    with pytest.raises(CheckpointError, match=r"other: autoencoder: 'components' has shape \(4, 768\)"):
        train(replace(settings, autoencoder=str(tmp_path / "other")), tmp_path / "run")
    torch.save({"model": {"encoder.conv_in.weight": torch.zeros(1)}}, tmp_path / "kl.ckpt")
    # A file of the published autoencoder says nothing to a model of patches, which must not go on without it.
    pytest.importorskip("diffusers")
    with pytest.raises(CheckpointError, match="kl.ckpt: 'mean' is missing"):
        train(replace(settings, autoencoder=str(tmp_path / "kl.ckpt")), tmp_path / "run")


def test_sentences_that_are_not_known(tmp_path: Path):
    pytest.importorskip("transformers")
    from hoigym.adapters.uva.text import save_sentences

    save_sentences(tmp_path / "s.safetensors", ["push"], torch.zeros(1, 512))
    model = replace(SMALL, inputs=InputsConfig(text=True))
    for text, said in (("", "data.sentence is missing"), ("pull", "has no sentence 'pull'")):
        path = buffer(tmp_path / f"data_{text}.zarr", GOOD, text)
        data = DataConfig(path, held_out=0.5, sentences=str(tmp_path / "s.safetensors"))
        with pytest.raises(UVAError, match=said):
            train(UVATrainConfig(model=model, data=data), tmp_path / "run")


def test_models_that_cannot_be():
    with pytest.raises(UVAError, match="width and steps must be at least 1"):
        HeadConfig(steps=0)
    with pytest.raises(UVAError, match="heads 0 must divide"):
        UVAConfig(trunk=TrunkConfig(encoder_heads=0))


@pytest.mark.parametrize(
    "settings",
    [
        {"task": {"shape_meta": {"action": {"shape": 2}}}},
        {
            "task": {"shape_meta": {"action": {"shape": [2]}}},
            "model": {"policy": {"autoregressive_model_params": {"num_sampling_steps": "ddim50"}}},
        },
    ],
)
def test_a_released_file_with_odd_settings(tmp_path: Path, settings: dict):
    torch.save({"cfg": settings, "state_dicts": {"ema_model": {"model.a": torch.ones(2)}}}, tmp_path / "odd.ckpt")
    with pytest.raises(UVAError, match="its cfg describes no UVA model"):
        read_released(tmp_path / "odd.ckpt")


def test_weights_without_names_are_no_weights(tmp_path: Path):
    torch.save({1: torch.ones(2)}, tmp_path / "file")
    with pytest.raises(UVAError, match="holds no weights"):
        weights_to_start_from(tmp_path / "file")


@pytest.mark.parametrize("option", ["repeats", "batch", "threads", "iterations"])
def test_a_measurement_of_nothing(option: str, capsys: pytest.CaptureFixture[str]):
    assert main(["uva", "bench", f"--{option}", "0"]) == 2
    assert "must be at least 1" in capsys.readouterr().err


def test_devices_and_models_that_cannot_be_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["uva", "bench", "--device", "abacus"]) == 2
    assert "device abacus: there is none here" in capsys.readouterr().err
    first_stage = replace(SMALL, inputs=InputsConfig(predict_action=False))
    save_pretrained(UVAPolicy(first_stage), tmp_path / "video")
    assert main(["uva", "bench", "--model", str(tmp_path / "video")]) == 2
    assert "no action head" in capsys.readouterr().err
