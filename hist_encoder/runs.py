"""Runs of the history encoder: trained, resumed, and applied to clips."""

from pathlib import Path
from typing import Literal

import numpy as np
import torch

from hoigym.core.files import write_atomically
from hoigym.hist_encoder.buffer import ReferenceHistory
from hoigym.hist_encoder.checkpoint import EncoderError, TrainedEncoder, load_encoder
from hoigym.hist_encoder.config import EncoderTrainingConfig
from hoigym.hist_encoder.data import HistoryData, objectless_skills
from hoigym.hist_encoder.features import ReferenceHeading
from hoigym.hist_encoder.report import PredictionError, draw_embeddings, measure
from hoigym.motions.formats import load_clips
from hoigym.motions.library import MotionLibrary

EMBEDDINGS_FILE, PICTURE_FILE = "embeddings.npz", "embeddings.png"
_PARTS = {
    "root_height": "root height [m2]",
    "body_pos": "body positions [m2]",
    "joint_rot": "joint angles [rad2]",
    "object_pos": "object position [m2]",
    "loss": "loss",
}


def train(config: EncoderTrainingConfig, output: str | Path) -> None:
    """Trains an encoder into the new folder output, with lines of progress; raises UserError as
    `training.train`.
    """
    from hoigym.hist_encoder.training import train as train_encoder  # Lightning takes seconds to import

    _report(Path(output), train_encoder(config, Path(output)))


def resume(run_dir: str | Path, max_epochs: int | None = None) -> None:
    """Continues the training in a folder; raises UserError as `training.resume`."""
    from hoigym.hist_encoder.training import resume as resume_training

    _report(Path(run_dir), resume_training(Path(run_dir), max_epochs))


def apply(
    encoder_file: str | Path,
    motion_file: str | Path,
    output: str | Path,
    body_positions: Literal["kinematics", "stored"] | None = None,
    reference_heading: ReferenceHeading = "true",
    overwrite: bool = False,
) -> None:
    """Encodes the history before every frame of the clips.

    Writes `embeddings.npz` (embedding (F, E), clip_start and clip_length (M,), clip_name, clip_skill) and
    a picture of it into the folder output, and prints how well each clip's next frames are predicted.

    Args:
        encoder_file: as `load_encoder` takes it.
        motion_file: clip, or folder of clips.
        output: folder of the new files.
        body_positions: as in `MotionLibrary`; what the encoder was trained with when left out.
        reference_heading: as in `reference_features`; "exp_map" for the released encoders.
        overwrite: replace files that are there.

    Raises UserError for bad clips, an encoder that cannot be read or does not fit them, or files in the way.
    """
    folder = Path(output)
    if not overwrite and (folder / EMBEDDINGS_FILE).exists():
        raise EncoderError(f"{folder / EMBEDDINGS_FILE}: exists already; choose another folder or pass --overwrite")
    encoder = load_encoder(encoder_file)
    positions = body_positions or encoder.facts.get("body_positions", "kinematics")
    library = MotionLibrary(load_clips(motion_file), body_positions=positions)
    if library.num_objects != encoder.object_slots:
        raise EncoderError(
            f"{encoder_file}: made for {encoder.object_slots} objects, the clips have {library.num_objects}"
        )
    embedding = ReferenceHistory(encoder, library, reference_heading=reference_heading).embedding.numpy()
    _save(folder, library, embedding)
    draw_embeddings(library, embedding, encoder.network.shape.length, folder / PICTURE_FILE)
    print(_clip_table(encoder, library, reference_heading))
    if encoder.predictor:
        print("loss: over all frames of the clip, also those that the encoder was trained on")
    print(f"{folder / EMBEDDINGS_FILE}, {folder / PICTURE_FILE}")


def _report(run_dir: Path, errors: PredictionError | None) -> None:
    if errors is not None:
        print("held-out frames: mean squared error, beside that of predicting that nothing changes")
        for part, title in _PARTS.items():
            if part in errors.factors:
                predicted, same = errors.predicted[part], errors.same_as_now[part]
                print(f"  {title:<22} {predicted:.2e}  same as now {same:.2e}  factor {same / predicted:.2f}")
    print(f"encoder in {run_dir}")


def _save(folder: Path, library: MotionLibrary, embedding: np.ndarray) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with write_atomically(folder / EMBEDDINGS_FILE) as file:
            np.savez_compressed(
                file,
                embedding=embedding,
                clip_start=library.clip_start.numpy(),
                clip_length=library.clip_length.numpy(),
                clip_skill=library.clip_skill.numpy(),
                clip_name=np.array(library.clip_names),
            )
    except OSError as error:
        raise EncoderError(f"{folder}: cannot be written ({error.strerror or error})") from None


def _clip_table(encoder: TrainedEncoder, library: MotionLibrary, heading: ReferenceHeading) -> str:
    skills = objectless_skills(library.skeleton.name, None)
    data = HistoryData.of(library, encoder.network.shape.length, skills, heading)
    lines = [f"{'clip':<32} frames" + ("   loss     same as now  factor" if encoder.predictor else "")]
    clip = torch.bucketize(data.samples, library.clip_start, right=True) - 1
    for index, name in enumerate(library.clip_names):
        line = f"{name:<32} {int(library.clip_length[index]):6d}"
        if encoder.predictor:
            errors = measure(encoder.predictor, data, data.samples[clip == index])
            loss, same = errors.predicted["loss"], errors.same_as_now["loss"]
            line += f"   {loss:.2e} {same:.2e}     {same / loss:6.2f}"
        lines.append(line)
    return "\n".join(lines)
