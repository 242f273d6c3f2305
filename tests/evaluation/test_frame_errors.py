"""The per-frame family on states whose errors are known."""

from dataclasses import replace

import pytest
import torch

from hoigym.evaluation.frame_errors import FrameErrorSums
from hoigym.evaluation.quantities import Snapshot
from hoigym.evaluation.trials import ReplayTrials
from hoigym.motions.clip import Clip
from hoigym.motions.library import MotionLibrary


@pytest.fixture
def snapshot(demo_clips: dict[str, Clip]) -> Snapshot:
    """Two trials exactly on their reference, the first while the ball is held, the second while it is not."""
    clip = demo_clips["013_demo_dribble_walk_3"]
    frames = torch.tensor([45, 60])
    assert clip.contact[frames, 0].tolist() == [1, 0]
    return next(ReplayTrials(MotionLibrary([clip]), torch.zeros_like(frames), frames).snapshots())


def errors(snapshot: Snapshot, demo_clips: dict[str, Clip], with_object: bool = True):
    library = MotionLibrary([demo_clips["013_demo_dribble_walk_3"]])
    sums = FrameErrorSums(len(snapshot.active), library.skeleton, with_object, torch.device("cpu"))
    sums.add(snapshot)
    return sums.means()


def test_the_reference_has_no_error(snapshot: Snapshot, demo_clips: dict[str, Clip]):
    means = errors(snapshot, demo_clips)
    assert means.accuracy.tolist() == [1, 1]
    for values in (means.body_error, means.object_error, means.contact_error):
        assert values.tolist() == [0, 0]


def test_distances_and_their_limits(snapshot: Snapshot, demo_clips: dict[str, Clip]):
    shift = torch.tensor([[[0.09, 0.0, 0.0]], [[0.0, 0.11, 0.0]]])
    means = errors(replace(snapshot, body_pos=snapshot.body_pos + shift), demo_clips)
    torch.testing.assert_close(means.body_error, torch.tensor([0.09, 0.11]))
    assert means.accuracy.tolist() == [1, 0]
    shift = torch.tensor([[[0.0, 0.0, 0.19]], [[0.0, 0.21, 0.0]]])
    means = errors(replace(snapshot, object_pos=snapshot.object_pos + shift), demo_clips)
    torch.testing.assert_close(means.object_error, torch.tensor([0.19, 0.21]))
    assert means.accuracy.tolist() == [1, 0]


def test_contacts(snapshot: Snapshot, demo_clips: dict[str, Clip]):
    means = errors(replace(snapshot, held=torch.ones_like(snapshot.held)), demo_clips)
    assert means.contact_error.tolist() == [0, 0.5]  # one of two nodes is wrong
    assert means.accuracy.tolist() == [1, 0]
    means = errors(replace(snapshot, touching=torch.tensor([True, False])), demo_clips)
    assert means.contact_error.tolist() == [0.5, 0]


def test_only_the_body_counts_without_an_object(snapshot: Snapshot, demo_clips: dict[str, Clip]):
    means = errors(replace(snapshot, object_pos=snapshot.object_pos + 9), demo_clips, with_object=False)
    assert means.accuracy.tolist() == [1, 1]


def test_frames_without_a_reference_do_not_count(snapshot: Snapshot, demo_clips: dict[str, Clip]):
    away = replace(snapshot, body_pos=snapshot.body_pos + 9, referenced=torch.tensor([True, False]))
    means = errors(away, demo_clips)
    assert means.accuracy[0] == 0
    assert means.accuracy[1].isnan()
