"""Samples, the split, what stands for an absent object, and the loss."""

import pytest
import torch

from hoigym.hist_encoder.data import HistoryData, objectless_skills, split
from hoigym.hist_encoder.features import reference_features
from hoigym.hist_encoder.model import EncoderShape, NextFramePredictor
from hoigym.hist_encoder.report import measure, prediction_loss
from hoigym.motions.library import MotionLibrary
from tests.hist_encoder.histories import SMALL, random_library, window_before
from tests.motions.clips import random_clip


@pytest.fixture(scope="module")
def library() -> MotionLibrary:
    return random_library()


@pytest.fixture(scope="module")
def mixed() -> MotionLibrary:
    """A clip with an object (30 frames) and one of skill 10, without (40 frames)."""
    return MotionLibrary([random_clip(0, 30, skill=13), random_clip(1, 40, skill=10)])


def test_histories_are_the_frames_before_with_zeros_where_there_are_none(library: MotionLibrary) -> None:
    data = HistoryData.of(library, 12, ())
    rows = torch.tensor([0, 5, 20, 20 + 50, 110, 150])
    windows = data.features[data.history(rows)]
    places = [(0, 0), (0, 5), (1, 0), (1, 50), (2, 0), (2, 40)]
    features = reference_features(library)
    for window, (clip, frame) in zip(windows, places, strict=True):
        assert torch.equal(window, torch.stack(window_before(features, library, clip, frame, 12)))


def test_samples_have_a_next_frame_in_their_clip_and_none_is_missing(library: MotionLibrary) -> None:
    samples = set(HistoryData.of(library, 12, ()).samples.tolist())
    missing = {20 + 33, 20 + 60}
    lasts = {19, 109, 150}
    no_next = {row for row in range(151) if row in lasts or row in missing or row + 1 in missing}
    assert samples == set(range(151)) - no_next


@pytest.mark.parametrize(("block", "every"), [(10, 7), (5, 3)])
def test_held_out_frames_are_neither_input_frame_nor_target_of_training(
    library: MotionLibrary, block: int, every: int
) -> None:
    data = HistoryData.of(library, 12, ())
    training, held_out = split(data, block, every)
    targets = {row + 1 for row in held_out.tolist()}
    seen = {row for sample in training.tolist() for row in (sample, sample + 1)}
    assert targets
    assert not targets & seen
    assert 0.5 / every < len(held_out) / len(data.samples) < 1.8 / every
    for frame in targets:
        place = frame - int(data.first[frame])
        assert place // block % every == every // 2


def test_nothing_is_held_out_on_request(library: MotionLibrary) -> None:
    data = HistoryData.of(library, 12, ())
    training, held_out = split(data, 10, 0)
    assert torch.equal(training, data.samples)
    assert len(held_out) == 0


def test_the_skills_without_object_are_the_published_ones_unless_given() -> None:
    assert objectless_skills("mocap", None) == (0, 10)
    assert objectless_skills("parahome", None) == (0,)
    assert objectless_skills("mocap", (4,)) == (4,)
    assert objectless_skills("mocap", ()) == ()


def test_objects_without_a_role_are_put_anywhere_in_the_current_frame_only(mixed: MotionLibrary) -> None:
    data = HistoryData.of(mixed, 12, (0, 10))
    assert data.has_object.tolist() == [True] * 30 + [False] * 40
    rows = torch.arange(70).repeat(50)
    current = data.current(rows, torch.Generator().manual_seed(0))
    with_object = data.has_object[rows]
    assert torch.equal(current[with_object], data.features[rows][with_object])
    assert torch.equal(current[:, :313], data.features[rows][:, :313])
    stray = current[~with_object, 313:]
    assert stray.min() < -4.9
    assert stray.max() > 4.9
    assert stray.abs().max() <= 5.0
    assert stray.mean().abs() < 0.2
    assert torch.equal(data.features[:-1], reference_features(mixed))


def test_the_loss_is_that_of_the_pose_plus_that_of_objects_with_a_role() -> None:
    torch.manual_seed(0)
    predicted, target = torch.randn(6, 316), torch.randn(6, 316)
    has_object = torch.tensor([True, False, True, True, False, True])
    pose = torch.nn.functional.mse_loss(predicted[:, :313], target[:, :313])
    ball = torch.nn.functional.mse_loss(predicted[has_object, 313:], target[has_object, 313:])
    torch.testing.assert_close(prediction_loss(predicted, target, has_object, 3), pose + ball)
    torch.testing.assert_close(prediction_loss(predicted, target, torch.zeros(6, dtype=torch.bool), 3), pose)


def test_errors_by_part_add_up_to_the_loss(mixed: MotionLibrary) -> None:
    data = HistoryData.of(mixed, 60, (10,))
    torch.manual_seed(0)
    predictor = NextFramePredictor(EncoderShape(316, channels=SMALL), predict_change=True)
    rows = data.samples[data.has_object[data.samples]]
    errors = measure(predictor, data, rows)
    now, after = data.features[rows], data.features[rows + 1]
    everyone = torch.ones(len(rows), dtype=torch.bool)
    same = prediction_loss(now, after, everyone, 3).item()
    assert errors.same_as_now["loss"] == pytest.approx(same, rel=1e-5)
    history = predictor.history_encoder(data.features[data.history(rows)])
    predicted = predictor(history, now, data.skill[rows])
    assert errors.predicted["loss"] == pytest.approx(prediction_loss(predicted, after, everyone, 3).item(), rel=1e-5)
    assert errors.predicted["body_pos"] == pytest.approx((predicted - after)[:, 1:157].square().mean().item(), rel=1e-5)
    assert errors.factors["loss"] == pytest.approx(same / errors.predicted["loss"])


def test_objects_without_a_role_do_not_count(mixed: MotionLibrary) -> None:
    data = HistoryData.of(mixed, 60, (10,))
    predictor = NextFramePredictor(EncoderShape(316, channels=SMALL), predict_change=True)
    both = measure(predictor, data, data.samples)
    with_object = measure(predictor, data, data.samples[data.has_object[data.samples]])
    assert both.same_as_now["object_pos"] == pytest.approx(with_object.same_as_now["object_pos"], rel=1e-6)
    assert both.same_as_now["joint_rot"] != with_object.same_as_now["joint_rot"]


def test_without_any_object_only_the_pose_is_measured(mixed: MotionLibrary) -> None:
    data = HistoryData.of(mixed, 60, (10, 13))
    predictor = NextFramePredictor(EncoderShape(316, channels=SMALL), predict_change=True)
    errors = measure(predictor, data, data.samples)
    rows = data.samples
    pose = (data.features[rows + 1] - data.features[rows])[:, :313].square().mean().item()
    assert set(errors.predicted) == {"root_height", "body_pos", "joint_rot", "loss"}
    assert errors.same_as_now["loss"] == pytest.approx(pose, rel=1e-5)
