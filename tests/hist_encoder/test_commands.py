"""The commands write what they say and refuse what they must."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hoigym.hist_encoder.checkpoint import EncoderError, load_encoder, save_encoder
from hoigym.hist_encoder.config import EncoderTrainingConfig
from hoigym.hist_encoder.features import reference_features
from hoigym.hist_encoder.runs import EMBEDDINGS_FILE, PICTURE_FILE, apply, resume, train
from hoigym.motions.formats import load_clips, save_clip
from hoigym.motions.library import MotionLibrary
from tests.hist_encoder.histories import SMALL, random_encoder, window_before
from tests.motions.clips import random_clip


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Folder of two clips."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for skill in (13, 9):
        save_clip(random_clip(skill, 60 + skill, skill=skill), folder / f"{skill:03d}_clip.npz")
    return folder


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    predictor = random_encoder(channels=SMALL).predictor
    assert predictor is not None
    save_encoder(tmp_path / "encoder", predictor, "mocap", 1, {"body_positions": "stored"})
    return tmp_path / "encoder"


def test_apply_writes_the_embedding_before_every_frame(
    clips: Path, encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    apply(encoder, clips, tmp_path / "out")
    with np.load(tmp_path / "out" / EMBEDDINGS_FILE) as written:
        found = {name: written[name] for name in written.files}
    # The encoder says that it was trained on stored body positions.
    library = MotionLibrary(load_clips(clips), body_positions="stored")
    assert found["clip_name"].tolist() == list(library.clip_names)
    assert found["clip_skill"].tolist() == library.clip_skill.tolist()
    assert found["embedding"].shape == (library.num_frames, 3)
    features = reference_features(library)
    window = torch.stack(window_before(features, library, 1, 25, 60))
    expected = load_encoder(encoder).network(window[None])[0]
    row = int(found["clip_start"][1]) + 25
    np.testing.assert_allclose(found["embedding"][row], expected, atol=1e-5)
    assert (tmp_path / "out" / PICTURE_FILE).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[1:3]] == [["009_clip", "69"], ["013_clip", "73"]]


def test_apply_does_not_replace_files_unasked(clips: Path, encoder: Path, tmp_path: Path) -> None:
    apply(encoder, clips, tmp_path / "out")
    with pytest.raises(EncoderError, match="exists already"):
        apply(encoder, clips, tmp_path / "out")
    apply(encoder, clips, tmp_path / "out", reference_heading="exp_map", overwrite=True)


def test_apply_refuses_clips_with_other_objects(encoder: Path, tmp_path: Path) -> None:
    save_clip(random_clip(0, 20, objects=2), tmp_path / "007_two.npz")
    with pytest.raises(EncoderError, match="made for 1 objects, the clips have 2"):
        apply(encoder, tmp_path / "007_two.npz", tmp_path / "out")


def test_an_encoder_without_its_head_is_applied_too(clips: Path, tmp_path: Path) -> None:
    state = random_encoder(channels=SMALL).network.state_dict()
    torch.save({"state_dict": {f"history_encoder.{name}": value for name, value in state.items()}}, tmp_path / "a.ckpt")
    apply(tmp_path / "a.ckpt", clips, tmp_path / "out")
    assert (tmp_path / "out" / EMBEDDINGS_FILE).is_file()


def test_training_reports_and_resumes(clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = EncoderTrainingConfig(motion_file=str(clips), length=8, max_epochs=2, device="cpu", progress_seconds=0.0)
    train(config, tmp_path / "run")
    printed = capsys.readouterr().out
    assert "epoch 2/2" in printed
    assert "object position" in printed
    resume(tmp_path / "run", 3)
    assert "epoch 3/3" in capsys.readouterr().out
