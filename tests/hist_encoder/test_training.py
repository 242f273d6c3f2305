"""Training learns, can be resumed as if it had never stopped, and leaves behind what it says."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hoigym.core.errors import UserError
from hoigym.hist_encoder import training
from hoigym.hist_encoder.buffer import TAIL
from hoigym.hist_encoder.checkpoint import EncoderError, load_encoder
from hoigym.hist_encoder.config import EncoderTrainingConfig
from hoigym.hist_encoder.training import CHECKPOINTS, SUMMARIES, ShuffledBatches, resume, train
from hoigym.motions.formats import load_clips, save_clip
from hoigym.motions.library import MotionLibrary
from tests.motions.clips import random_clip


@pytest.fixture
def config(tmp_path: Path) -> EncoderTrainingConfig:
    """A few epochs on two small clips, one of them of a skill without object."""
    (tmp_path / "clips").mkdir()
    for skill in (13, 10):
        save_clip(random_clip(skill, 60, skill=skill), tmp_path / "clips" / f"{skill:03d}_clip.npz")
    return EncoderTrainingConfig(
        motion_file=str(tmp_path / "clips"),
        length=8,
        batch_size=16,
        max_epochs=3,
        held_out_every=3,
        device="cpu",
        progress_seconds=0.0,
    )


def weights(run_dir: Path) -> dict[str, torch.Tensor]:
    """The last weights of a run (not the best)."""
    return torch.load(run_dir / CHECKPOINTS / "last.ckpt", weights_only=True)["state_dict"]


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one | other)


def test_a_run_leaves_an_encoder_its_facts_and_curves(config: EncoderTrainingConfig, tmp_path: Path) -> None:
    errors = train(config, tmp_path / "run")
    encoder = load_encoder(tmp_path / "run")
    assert encoder.network.shape.length == 8
    assert (encoder.skeleton, encoder.object_slots) == ("mocap", 1)
    assert errors is not None
    assert encoder.facts["held_out"]["predicted"] == errors.predicted
    library = MotionLibrary(load_clips(config.motion_file))
    assert encoder.facts["clips"]["sha256"] == library.content_hash
    assert encoder.facts["training_samples"] + encoder.facts["held_out_samples"] <= library.num_frames - 2
    curves = EventAccumulator(str(tmp_path / "run" / SUMMARIES)).Reload()
    assert {"loss/train", "loss/held_out", "loss/same_as_now", "learning_rate"} <= set(curves.Tags()["scalars"])
    assert len(curves.Scalars("loss/held_out")) == 3


def test_the_best_weights_are_kept(config: EncoderTrainingConfig, tmp_path: Path) -> None:
    train(replace(config, max_epochs=12), tmp_path / "run")
    facts = load_encoder(tmp_path / "run").facts
    curves = EventAccumulator(str(tmp_path / "run" / SUMMARIES)).Reload().Scalars("loss/held_out")
    best = min(range(12), key=lambda epoch: curves[epoch].value)
    assert facts["best_epoch"] == best + 1
    assert facts["held_out"]["predicted"]["loss"] == pytest.approx(curves[best].value, rel=1e-5)


def test_equal_seeds_give_equal_weights_and_others_do_not(config: EncoderTrainingConfig, tmp_path: Path) -> None:
    for name, seed in (("a", 4), ("b", 4), ("c", 5)):
        torch.manual_seed(ord(name))
        train(replace(config, seed=seed), tmp_path / name)
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not same(weights(tmp_path / "a"), weights(tmp_path / "c"))


def test_training_leaves_the_random_numbers_of_others_alone(config: EncoderTrainingConfig, tmp_path: Path) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    train(replace(config, max_epochs=1), tmp_path / "run")
    assert torch.equal(torch.rand(3), expected)


def test_a_longer_run_equals_a_resumed_one(config: EncoderTrainingConfig, tmp_path: Path) -> None:
    # Steps so small that the loss only wavers: the learning rate drops, so its schedule must survive too.
    config = replace(config, patience=2, learning_rate=1e-6, min_learning_rate=0.0)
    train(replace(config, max_epochs=8), tmp_path / "whole")
    train(replace(config, max_epochs=5), tmp_path / "parts")
    resume(tmp_path / "parts", max_epochs=8)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "parts"))
    rates = EventAccumulator(str(tmp_path / "whole" / SUMMARIES)).Reload().Scalars("learning_rate")
    assert rates[7].value < rates[4].value
    whole, parts = (load_encoder(tmp_path / name).facts for name in ("whole", "parts"))
    assert whole["held_out"] == parts["held_out"]
    assert whole["best_epoch"] == parts["best_epoch"]


def test_an_interrupted_run_equals_an_uninterrupted_one(
    config: EncoderTrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "_SAVE_EVERY", 2)
    config = replace(config, max_epochs=6, patience=0)
    train(config, tmp_path / "whole")

    class Interrupt(training.ProgressLines):
        def on_train_epoch_end(self, trainer, pl_module) -> None:
            if trainer.current_epoch == 4:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training, "ProgressLines", Interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "cut")
    assert torch.load(tmp_path / "cut" / CHECKPOINTS / "last.ckpt", weights_only=True)["epoch"] == 3
    resume(tmp_path / "cut")
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "cut"))


def test_training_ends_when_the_learning_rate_has_dropped(config: EncoderTrainingConfig, tmp_path: Path) -> None:
    train(replace(config, max_epochs=500, patience=0, learning_rate=1e-5), tmp_path / "run")
    assert load_encoder(tmp_path / "run").facts["epochs"] < 100


def test_all_frames_can_be_trained_on(config: EncoderTrainingConfig, tmp_path: Path) -> None:
    assert train(replace(config, held_out_every=0), tmp_path / "run") is None
    facts = load_encoder(tmp_path / "run").facts
    assert (facts["training_samples"], facts["held_out_samples"], facts["held_out"]) == (118, 0, None)


def test_folders_and_clips_that_do_not_fit_are_refused(config: EncoderTrainingConfig, tmp_path: Path) -> None:
    train(config, tmp_path / "run")
    with pytest.raises(EncoderError, match="holds a training run already"):
        train(config, tmp_path / "run")
    with pytest.raises(EncoderError, match="holds no encoder training"):
        resume(tmp_path / "elsewhere")
    with pytest.raises(EncoderError, match="too few frames to train on and to hold out"):
        train(replace(config, held_out_every=50), tmp_path / "other")
    assert not (tmp_path / "other").exists()
    save_clip(random_clip(77, 60, skill=13), tmp_path / "clips" / "013_clip.npz")
    with pytest.raises(EncoderError, match="are not those it was trained on"):
        resume(tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / CHECKPOINTS)
    save_clip(random_clip(13, 60, skill=13), tmp_path / "clips" / "013_clip.npz")
    with pytest.raises(EncoderError, match="no checkpoint to resume from"):
        resume(tmp_path / "run")
    (tmp_path / "run" / "config.json").write_text(json.dumps({"config": {"wheels": 4}}))
    with pytest.raises(EncoderError, match="damaged, or of another version"):
        resume(tmp_path / "run")


def test_there_must_be_epochs_left_and_a_whole_checkpoint(config: EncoderTrainingConfig, tmp_path: Path) -> None:
    train(config, tmp_path / "run")
    with pytest.raises(EncoderError, match="has done its 3 epochs"):
        resume(tmp_path / "run")
    last = tmp_path / "run" / CHECKPOINTS / "last.ckpt"
    last.write_bytes(last.read_bytes()[:3000])
    with pytest.raises(EncoderError, match=r"last\.ckpt: damaged"):
        resume(tmp_path / "run", 5)
    assert json.loads((tmp_path / "run" / "config.json").read_text())["config"]["max_epochs"] == 3


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("length", TAIL - 1),
        ("batch_size", 0),
        ("embedding", 0),
        ("held_out_block", 0),
        ("held_out_every", -1),
        ("max_epochs", 0),
        ("patience", -1),
        ("dropout", 1.5),
    ],
)
def test_settings_that_cannot_be(setting: str, value: float) -> None:
    with pytest.raises(UserError, match=setting):
        EncoderTrainingConfig(**{setting: value})  # pyright: ignore[reportArgumentType]


def test_batches_hold_every_sample_once_in_an_order_of_their_epoch() -> None:
    batches = ShuffledBatches(torch.arange(50, 93), 10, seed=3)
    assert len(batches) == 5
    first = torch.cat(list(batches))
    assert torch.equal(torch.cat(list(batches)), first)
    assert sorted(first.tolist()) == list(range(50, 93))
    batches.set_epoch(1)
    assert not torch.equal(torch.cat(list(batches)), first)


@pytest.mark.slow
def test_training_on_the_published_clips_beats_predicting_no_change(shared: Path, tmp_path: Path) -> None:
    config = EncoderTrainingConfig(motion_file=str(shared / "motions" / "BallPlay"), max_epochs=40, device="cpu")
    errors = train(config, tmp_path / "run")
    assert errors is not None
    assert errors.factors["loss"] > 1.1
    assert errors.factors["object_pos"] > 1.5
    curve = EventAccumulator(str(tmp_path / "run" / SUMMARIES)).Reload().Scalars("loss/train")
    assert curve[-1].value < 0.6 * curve[0].value
