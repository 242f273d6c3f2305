from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hoigym.adapters.learning.fit import LearningError, fit
from hoigym.adapters.learning.learner import FitConfig
from hoigym.adapters.learning.state import trained_weights
from hoigym.core.checkpoint import CheckpointError, list_checkpoints, load_latest
from hoigym.core.errors import UserError
from tests.adapters.learning.toy import ToyData, ToyLearner

QUICK = FitConfig(steps=12, batch_size=4, save_every=5, validate_every=6, device="cpu", log_every=3, ema=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run_dir = tmp_path_factory.mktemp("whole") / "run"
    result = fit(ToyLearner(), ToyData(), run_dir, QUICK)
    assert (result.step, result.reason) == (12, "finished")
    return run_dir


def test_a_run_is_a_folder(whole: Path) -> None:
    assert yaml.safe_load((whole / "config.yaml").read_text())["fit"]["batch_size"] == 4
    assert [path.name for path in list_checkpoints(whole)] == ["step_000010", "step_000012"]
    assert sorted(path.name for path in (whole / "pictures").iterdir()) == ["picture_000006.png", "picture_000012.png"]
    curves = EventAccumulator(str(whole / "summaries")).Reload()
    assert [point.step for point in curves.Scalars("train/loss")] == [3, 6, 9, 12]
    assert [point.step for point in curves.Scalars("validation/weight")] == [6, 12]
    assert curves.Images("validation/picture")[0].height == 4
    assert curves.Scalars("train/learning_rate")[0].value == pytest.approx(0.05 * 3 / 5)


@pytest.mark.parametrize("workers", [0, 1])
def test_resumed_equals_uninterrupted(tmp_path: Path, whole: Path, workers: int) -> None:
    config = replace(QUICK, workers=workers)
    fit(ToyLearner(), ToyData(), tmp_path, replace(config, steps=7))
    torch.rand(3)
    fit(ToyLearner(seed=5), ToyData(), tmp_path, config, resume=True)
    left, right = load_latest(whole)[0].tensors, load_latest(tmp_path)[0].tensors
    assert left.keys() == right.keys()
    assert any(name.startswith("optimizer.") for name in left)
    for name, value in left.items():
        assert torch.equal(value, right[name]), name


def test_it_learns_and_seeds_matter(tmp_path: Path, whole: Path) -> None:
    learner = ToyLearner()
    fit(learner, ToyData(), tmp_path, replace(QUICK, steps=400, save_every=400, validate_every=0, seed=1))
    curves = EventAccumulator(str(tmp_path / "summaries")).Reload().Scalars("train/loss")
    assert curves[-1].value < 0.2 * curves[0].value
    first = EventAccumulator(str(whole / "summaries")).Reload().Scalars("train/loss")[0]
    assert curves[0].value != first.value


def test_validation_sees_the_averaged_weights_and_training_keeps_its_own(tmp_path: Path) -> None:
    learner = ToyLearner()
    fit(learner, ToyData(), tmp_path, QUICK)
    checkpoint = load_latest(tmp_path)[0]
    assert torch.equal(learner.validated_with[-1], checkpoint.tensors["ema.0.weight"])
    assert torch.equal(learner.module.get_parameter("0.weight"), checkpoint.tensors["model.0.weight"])
    assert not torch.equal(checkpoint.tensors["ema.0.weight"], checkpoint.tensors["model.0.weight"])
    assert torch.equal(trained_weights(checkpoint)["0.weight"], checkpoint.tensors["ema.0.weight"])


def test_a_loss_that_is_no_number_is_one_line_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    class Breaks(ToyLearner):
        steps = 0

        def loss(self, batch, generator):
            self.steps += 1
            loss, scalars = super().loss(batch, generator)
            return loss * (np.nan if self.steps > 7 else 1.0), scalars

    with pytest.raises(LearningError, match=r"loss is no longer a number; the last good .*step_000005"):
        fit(Breaks(), ToyData(), tmp_path, QUICK)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step_000005"]


def test_folders_and_wishes_must_agree(tmp_path: Path, whole: Path) -> None:
    with pytest.raises(LearningError, match="already holds a run"):
        fit(ToyLearner(), ToyData(), whole, QUICK)
    with pytest.raises(LearningError, match="no run to resume"):
        fit(ToyLearner(), ToyData(), tmp_path / "none", QUICK, resume=True)
    with pytest.raises(LearningError, match="has finished at step 12"):
        fit(ToyLearner(), ToyData(), whole, QUICK, resume=True)
    other = ToyLearner()
    other.module.append(torch.nn.Linear(2, 2))
    with pytest.raises(CheckpointError, match=r"'4\.weight' is missing"):
        fit(other, ToyData(), whole, replace(QUICK, steps=20), resume=True)
    with pytest.raises(CheckpointError, match=r"made with averaged weights \(ema\), this run is without them"):
        fit(ToyLearner(), ToyData(), whole, replace(QUICK, steps=20, ema=False), resume=True)
    with pytest.raises(LearningError, match=r"begun with batch_size \d+; a resumed run cannot change it"):
        fit(ToyLearner(), ToyData(), whole, replace(QUICK, steps=20, batch_size=3), resume=True)
    with pytest.raises(LearningError, match=r"begun with seed \d+; a resumed run cannot change it"):
        fit(ToyLearner(), ToyData(), whole, replace(QUICK, steps=20, seed=99), resume=True)


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"log_every": 0}, {"save_every": 0}, {"batch_size": 0}, {"validate_every": -1}]
)
def test_impossible_settings_are_one_line(wrong: dict[str, int]) -> None:
    with pytest.raises(UserError, match=f"fit.{next(iter(wrong))} must be at least"):
        replace(QUICK, **wrong)


def test_the_time_limit_ends_a_run_with_a_checkpoint(tmp_path: Path) -> None:
    result = fit(ToyLearner(), ToyData(), tmp_path, replace(QUICK, steps=10**9, max_minutes=0.01))
    assert result.reason == "time is up"
    assert load_latest(tmp_path)[0].state["step"] == result.step
