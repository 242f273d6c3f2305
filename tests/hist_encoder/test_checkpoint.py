"""Encoders survive the disk; files that are not encoders are refused and never run."""

import argparse
import json
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from hoigym.hist_encoder.checkpoint import FACTS_FILE, WEIGHTS_FILE, EncoderError, load_encoder, save_encoder
from hoigym.hist_encoder.model import EncoderShape, NextFramePredictor
from tests.hist_encoder.histories import SMALL, random_encoder

WINDOW = torch.linspace(-1, 1, 60 * 316).view(1, 60, 316)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Folder of a small encoder."""
    encoder = random_encoder(channels=SMALL)
    assert encoder.predictor is not None
    save_encoder(tmp_path / "encoder", encoder.predictor, "mocap", 1, {"epochs": 5})
    return tmp_path / "encoder"


def refused(path: Path, match: str) -> None:
    with pytest.raises(EncoderError, match=match) as caught:
        load_encoder(path)
    assert "\n" not in str(caught.value)
    assert str(path.name) in str(caught.value) or str(path.parent.name) in str(caught.value)


def test_an_encoder_comes_back_frozen_and_the_same(saved: Path) -> None:
    original = random_encoder(channels=SMALL)
    for path in (saved, saved / WEIGHTS_FILE):
        loaded = load_encoder(path)
        assert torch.equal(loaded.network(WINDOW), original.network(WINDOW))
        assert (loaded.skeleton, loaded.object_slots, loaded.facts["epochs"]) == ("mocap", 1, 5)
        assert not loaded.network.training
        assert not any(parameter.requires_grad for parameter in loaded.network.parameters())
        assert loaded.predictor is not None
        assert loaded.predictor.predict_change


def test_the_description_says_what_the_network_is(saved: Path) -> None:
    facts = json.loads((saved / FACTS_FILE).read_text())
    assert facts["shape"] == {"features": 316, "length": 60, "channels": [12, 10, 8], "embedding": 3}
    assert (facts["skeleton"], facts["object_slots"], facts["feature_version"]) == ("mocap", 1, 1)
    assert set(safetensors.torch.load_file(saved / WEIGHTS_FILE)) >= {"history_encoder.conv1.weight", "fc3.bias"}


def test_foreign_and_damaged_folders_are_refused(saved: Path) -> None:
    facts = json.loads((saved / FACTS_FILE).read_text())
    refused(saved.parent / "nowhere", "no encoder.json there")
    for change, match in (
        ({"format": "something"}, "not the description of a history encoder"),
        ({"format_version": 9}, "format_version 9; this program reads 1"),
        ({"feature_version": 0}, "feature_version 0; this program reads 1"),
        ({"skeleton": "parahome"}, "does not fit the weights"),
        ({"skeleton": "horse"}, "does not fit the weights"),
        ({"shape": {**facts["shape"], "embedding": 4}}, "does not fit the weights"),
        ({"shape": 3}, "does not fit the weights"),
        ({"weights_sha256": "0"}, "damaged, or not the weights"),
    ):
        (saved / FACTS_FILE).write_text(json.dumps(facts | change))
        refused(saved, match)
    (saved / FACTS_FILE).write_text("{")
    refused(saved, "not a JSON file")


def test_weights_cut_short_are_refused(saved: Path) -> None:
    data = (saved / WEIGHTS_FILE).read_bytes()
    (saved / WEIGHTS_FILE).write_bytes(data[:-10])
    refused(saved, "damaged, or not the weights")
    (saved / WEIGHTS_FILE).unlink()
    refused(saved, "cannot be read")


@pytest.fixture(scope="module")
def lightning_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that Lightning wrote for a module like the published one, arguments and all."""
    import pytorch_lightning as pl

    class History(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv1d(316, 128, 3, padding=1)
            self.conv2 = nn.Conv1d(128, 64, 3, padding=1)
            self.conv3 = nn.Conv1d(64, 32, 3, padding=1)
            self.fc = nn.Linear(1920, 3)

    class Published(pl.LightningModule):
        def __init__(self, args: argparse.Namespace, folder: Path) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.history_encoder = History()
            self.fc1, self.fc2, self.fc3 = nn.Linear(383, 512), nn.Linear(512, 256), nn.Linear(256, 316)

        def training_step(self, batch: list[torch.Tensor]) -> torch.Tensor:
            return self.history_encoder.fc(batch[0]).square().mean()

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters())

    torch.manual_seed(5)
    folder = tmp_path_factory.mktemp("lightning")
    trainer = pl.Trainer(
        max_epochs=1,
        logger=False,
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    module = Published(argparse.Namespace(lr=1e-3), Path("clips"))
    trainer.fit(module, DataLoader(TensorDataset(torch.ones(1, 1920))))
    trainer.save_checkpoint(folder / "hist_model.ckpt")
    return folder / "hist_model.ckpt"


def test_a_lightning_checkpoint_with_objects_in_it_loads(lightning_file: Path) -> None:
    named = torch.serialization.get_unsafe_globals_in_checkpoint(lightning_file)
    assert {"argparse.Namespace", "pathlib.PosixPath"} <= {str(name) for name in named}
    loaded = load_encoder(lightning_file)
    assert loaded.network.shape == EncoderShape(features=316)
    assert (loaded.skeleton, loaded.object_slots) == ("mocap", 1)
    assert loaded.predictor is not None
    assert not loaded.predictor.predict_change
    torch.manual_seed(5)
    first = nn.Conv1d(316, 128, 3, padding=1)  # the one training step did not reach this layer
    assert torch.equal(loaded.network.conv1.weight, first.weight)


def test_the_history_part_alone_is_enough(tmp_path: Path) -> None:
    encoder = random_encoder()
    assert encoder.predictor is not None
    own = {name: value for name, value in encoder.predictor.state_dict().items() if name.startswith("history")}
    torch.save({"state_dict": own}, tmp_path / "part.ckpt")
    loaded = load_encoder(tmp_path / "part.ckpt")
    assert loaded.predictor is None
    assert torch.equal(loaded.network(WINDOW), encoder.network(WINDOW))


class Harmful:
    """Pickles into a call that writes a file."""

    def __init__(self, call: str, argument: str) -> None:
        self._call, self._argument = call, argument

    def __reduce__(self) -> tuple:
        import builtins
        import os

        return {"exec": builtins.exec, "system": os.system}[self._call], (self._argument,)


@pytest.mark.parametrize("call", ["exec", "system"])
def test_nothing_in_a_checkpoint_is_run(tmp_path: Path, call: str) -> None:
    """A call of one kind is passed over and the weights beside it are read; one of the other is refused."""
    trace = tmp_path / "trace"
    argument = f"open({str(trace)!r}, 'w')" if call == "exec" else f"touch {trace}"
    encoder = random_encoder()
    assert encoder.predictor is not None
    path = tmp_path / "harmful.ckpt"
    torch.save({"state_dict": encoder.predictor.state_dict(), "extra": Harmful(call, argument)}, path)
    if call == "exec":
        assert torch.equal(load_encoder(path).network(WINDOW), encoder.network(WINDOW))
    else:
        refused(path, "not a checkpoint")
    assert not trace.exists()


def test_harmful_weights_are_not_weights(tmp_path: Path) -> None:
    path = tmp_path / "harmful.ckpt"
    torch.save({"state_dict": Harmful("exec", "1 / 0")}, path)
    refused(path, "holds no 'state_dict'")


def test_other_checkpoints_are_refused(tmp_path: Path, lightning_file: Path) -> None:
    def written(content: object) -> Path:
        torch.save(content, tmp_path / "other.ckpt")
        return tmp_path / "other.ckpt"

    def weights(shape: EncoderShape) -> dict[str, torch.Tensor]:
        return dict(NextFramePredictor(shape, False).state_dict())

    refused(tmp_path / "absent.ckpt", "no such file")
    refused(written(torch.zeros(3)), "holds no 'state_dict'")
    refused(written({"state_dict": {"actor.weight": torch.zeros(2)}}), "no history encoder in it")
    refused(written({"state_dict": weights(EncoderShape(394))}), "released ParaHome layout")
    refused(written({"state_dict": weights(EncoderShape(330))}), "330 features a frame; expected 316")
    wrong = weights(EncoderShape(316))
    wrong["history_encoder.conv2.weight"] = torch.zeros(64, 100, 3)
    refused(written({"state_dict": wrong}), "conv2.weight is missing or of another shape")
    cut = tmp_path / "cut.ckpt"
    cut.write_bytes(lightning_file.read_bytes()[:5000])
    refused(cut, "damaged, or not a checkpoint")
    (tmp_path / "text.ckpt").write_text("hello")
    refused(tmp_path / "text.ckpt", "damaged, or not a checkpoint")
    refused(tmp_path / "other.pt", "no encoder.json there")


@pytest.mark.parametrize(("skeleton", "objects"), [("mocap", 1), ("mocap", 2), ("parahome", 1), ("parahome", 2)])
def test_a_checkpoints_width_tells_its_skeleton(tmp_path: Path, skeleton: str, objects: int) -> None:
    encoder = random_encoder(skeleton, objects, channels=SMALL)
    assert encoder.predictor is not None
    torch.save({"state_dict": encoder.predictor.state_dict()}, tmp_path / "one.ckpt")
    loaded = load_encoder(tmp_path / "one.ckpt")
    assert (loaded.skeleton, loaded.object_slots) == (skeleton, objects)
