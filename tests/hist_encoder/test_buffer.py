"""The running history gives what encoding whole windows anew would give."""

from collections.abc import Callable

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from hoigym.hist_encoder.buffer import HistoryBuffer, ReferenceHistory
from hoigym.hist_encoder.checkpoint import EncoderError
from hoigym.hist_encoder.features import reference_features
from hoigym.motions.library import MotionLibrary
from tests.hist_encoder.histories import SMALL, PlainHistory, random_encoder, random_library, window_before

ROWS = 7


@pytest.fixture(scope="module")
def library() -> MotionLibrary:
    return random_library()


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("length", [7, 8, 13, 60])
def test_every_frames_past_is_that_of_its_clip_with_zeros_before_it(library: MotionLibrary, length: int) -> None:
    encoder = random_encoder(length=length, channels=SMALL)
    features = reference_features(library)
    windows = [
        torch.stack(window_before(features, library, clip, frame, length))
        for clip in range(library.num_clips)
        for frame in range(int(library.clip_length[clip]))
    ]
    close(ReferenceHistory(encoder, library).embedding, encoder.network(torch.stack(windows)))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("length", [7, 12, 60])
def test_random_pushes_and_partial_restarts_match_plain_lists(
    library: MotionLibrary, length: int, masked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """masked: as on a GPU, where rows are not counted."""
    encoder = random_encoder(length=length, channels=SMALL)
    features = reference_features(library)
    buffer = HistoryBuffer(ReferenceHistory(encoder, library), ROWS)
    monkeypatch.setattr(buffer, "_selects", not masked)
    plain = PlainHistory(encoder, ROWS, features.shape[1])
    generator = torch.Generator().manual_seed(length)
    close(buffer.embedding, plain.embedding)
    for step in range(150):
        if step % 3 == 0:
            index = torch.randperm(ROWS, generator=generator)[: step % (ROWS + 1)]
            mask = torch.rand(len(index), generator=generator) < 0.6
            row = torch.randint(0, library.num_frames, (len(index),), generator=generator)
            buffer.restart(index, mask, row)
            for place, chosen, frame in zip(index.tolist(), mask.tolist(), row.tolist(), strict=True):
                if chosen:
                    clip = int(torch.bucketize(frame, library.clip_start, right=True)) - 1
                    first = frame - int(library.clip_start[clip])
                    plain.frames[place] = window_before(features, library, clip, first, length)
            close(buffer.embedding, plain.embedding)
        newest = torch.randn(ROWS, features.shape[1], generator=generator)
        buffer.push(newest)
        plain.push(newest)
        close(buffer.embedding, plain.embedding)


def test_a_restart_leaves_the_other_rows_untouched(library: MotionLibrary) -> None:
    buffer = HistoryBuffer(ReferenceHistory(random_encoder(channels=SMALL), library), ROWS)
    buffer.push(torch.randn(ROWS, 316))
    before = buffer.embedding.clone()
    buffer.restart(torch.tensor([4, 1]), torch.tensor([True, False]), torch.tensor([70, 71]))
    changed = (buffer.embedding != before).any(1)
    assert changed.tolist() == [row == 4 for row in range(ROWS)]


def test_the_present_frame_is_known_one_step_later(library: MotionLibrary) -> None:
    reference = ReferenceHistory(random_encoder(channels=SMALL), library)
    frames = reference_features(library)
    start = int(library.clip_start[1])
    buffer = HistoryBuffer(reference, 2)
    buffer.restart(torch.arange(2), torch.tensor([True, True]), torch.tensor([start + 5, start + 5]))
    for frame in range(5, 40):
        close(buffer.embedding, reference.embedding[start + frame].expand(2, -1))
        buffer.push(frames[start + frame].expand(2, -1))


def test_a_switched_start_has_the_past_of_the_clip_it_follows(library: MotionLibrary) -> None:
    """The state comes from clip 2, the reference is clip 1: its past, then the frames of clip 2."""
    encoder = random_encoder(channels=SMALL)
    features = reference_features(library)
    buffer = HistoryBuffer(ReferenceHistory(encoder, library), 1)
    followed, other = int(library.clip_start[1]) + 50, int(library.clip_start[2]) + 10
    buffer.restart(torch.tensor([0]), torch.tensor([True]), torch.tensor([followed]))
    plain = PlainHistory(encoder, 1, 316)
    plain.frames[0] = window_before(features, library, 1, 50, 60)
    close(buffer.embedding, plain.embedding)
    for step in range(10):
        buffer.push(features[other + step][None])
        plain.push(features[other + step][None])
    close(buffer.embedding, plain.embedding)


def test_a_diverged_row_is_clean_after_its_restart(library: MotionLibrary) -> None:
    buffer = HistoryBuffer(ReferenceHistory(random_encoder(channels=SMALL), library), 3)
    bad = torch.zeros(3, 316)
    bad[1] = torch.nan
    for _ in range(70):
        buffer.push(bad)
    assert buffer.embedding.isnan().any(1).tolist() == [False, True, False]
    buffer.restart(torch.tensor([1]), torch.tensor([True]), torch.tensor([9]))
    for _ in range(70):
        assert buffer.embedding.isfinite().all()
        buffer.push(torch.zeros(3, 316))


def test_the_encoder_is_frozen(library: MotionLibrary) -> None:
    encoder = random_encoder(channels=SMALL)
    encoder.network.requires_grad_(True)
    buffer = HistoryBuffer(ReferenceHistory(encoder, library), 2)
    buffer.push(torch.randn(2, 316, requires_grad=True))
    buffer.restart(torch.tensor([0]), torch.tensor([True]), torch.tensor([3]))
    buffer.push(torch.randn(2, 316, requires_grad=True))
    assert not buffer.embedding.requires_grad
    before = buffer.embedding.clone()
    with torch.no_grad():
        encoder.network.fc.weight.zero_()
        encoder.network.conv1.weight.zero_()
    buffer.push(torch.zeros(2, 316))
    assert (buffer.embedding - before).abs().max() > 0
    assert buffer.embedding.std() > 0


def test_a_resumed_buffer_continues_bit_for_bit(library: MotionLibrary) -> None:
    reference = ReferenceHistory(random_encoder(channels=SMALL), library)
    first, second = HistoryBuffer(reference, ROWS), HistoryBuffer(reference, ROWS)
    for _ in range(23):
        first.push(torch.randn(ROWS, 316))
    second.push(torch.randn(ROWS, 316))
    saved = {name: value.clone() for name, value in first.state_dict().items()}
    pushed = torch.randn(80, ROWS, 316)
    for features in pushed[:5]:
        first.push(features)
    second.load_state_dict(saved)
    for features in pushed[:5]:
        second.push(features)
    for features in pushed[5:]:
        assert torch.equal(first.embedding, second.embedding)
        first.push(features)
        second.push(features)


def test_the_released_heading_changes_the_recorded_past_only(library: MotionLibrary) -> None:
    encoder = random_encoder(length=7, channels=SMALL)
    buffers = [
        HistoryBuffer(ReferenceHistory(encoder, library, reference_heading=how), 1) for how in ("true", "exp_map")
    ]
    for buffer in buffers:
        buffer.restart(torch.tensor([0]), torch.tensor([True]), torch.tensor([80]))
    assert (buffers[0].embedding - buffers[1].embedding).abs().max() > 1e-4
    for features in torch.randn(7, 1, 316):
        for buffer in buffers:
            buffer.push(features)
    assert torch.equal(buffers[0].embedding, buffers[1].embedding)


def test_an_encoder_for_other_bodies_or_fewer_objects_is_refused(library: MotionLibrary) -> None:
    with pytest.raises(EncoderError, match="made for the parahome skeleton"):
        ReferenceHistory(random_encoder("parahome", channels=SMALL), library)
    with pytest.raises(EncoderError, match="made for 1 objects, there are 2"):
        ReferenceHistory(random_encoder(channels=SMALL), random_library(objects=2))
    with pytest.raises(ValueError, match="history of 6 frames; expected at least 7"):
        ReferenceHistory(random_encoder(length=6, channels=SMALL), library)


def test_an_encoder_with_more_slots_sees_them_empty(library: MotionLibrary) -> None:
    encoder = random_encoder(objects=2, length=7, channels=SMALL)
    windows = torch.stack(window_before(reference_features(library, object_slots=2), library, 1, 30, 7))
    row = int(library.clip_start[1]) + 30
    close(ReferenceHistory(encoder, library).embedding[row], encoder.network(windows[None])[0])


def test_a_step_takes_a_twentieth_of_encoding_anew(library: MotionLibrary) -> None:
    encoder = random_encoder()
    buffer = HistoryBuffer(ReferenceHistory(encoder, library), ROWS)
    anew = multiplications(lambda: encoder.network(torch.randn(ROWS, 60, 316)))
    assert multiplications(lambda: buffer.push(torch.randn(ROWS, 316))) < anew / 20


def multiplications(run: Callable[[], object]) -> int:
    """Floating-point operations of its convolutions and matrix products."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run()
    return counter.get_total_flops()
