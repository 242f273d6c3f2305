"""Report on a history encoder: how well the next frame is predicted, and a picture of what it says along each clip."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from hoigym.hist_encoder.checkpoint import EncoderError
from hoigym.hist_encoder.data import HistoryData
from hoigym.hist_encoder.model import NextFramePredictor
from hoigym.motions.library import MotionLibrary

_BATCH = 512
_SEED = 0


@dataclass(frozen=True)
class PredictionError:
    """Mean squared errors over some samples, by part: root_height [m^2], body_pos [m^2], joint_rot [rad^2],
    object_pos [m^2] (of the samples with an object, left out where there are none), and `loss`, what
    training minimises.
    """

    predicted: dict[str, float]
    same_as_now: dict[str, float]

    @property
    def factors(self) -> dict[str, float]:
        """How many times smaller than that of "same as now" each error is."""
        return {part: self.same_as_now[part] / error for part, error in self.predicted.items() if error > 0}


def prediction_loss(predicted: Tensor, target: Tensor, has_object: Tensor, object_columns: int) -> Tensor:
    """What training minimises: the mean squared error of the pose columns plus that of the object
    columns, the latter over the samples whose skill has an object. predicted, target (N, D); has_object
    (N,) bool.
    """
    square = (predicted - target).square()
    pose, objects = square[:, : -object_columns or None], square[:, square.shape[1] - object_columns :]
    weight = has_object[:, None].to(square.dtype).expand_as(objects)
    return pose.mean() + (weight * objects).sum() / weight.sum().clamp_min(1.0)


@torch.no_grad()
def measure(predictor: NextFramePredictor, data: HistoryData, samples: Tensor) -> PredictionError:
    """Errors over samples (S,) of data; the predictor is left in evaluation mode."""
    predictor.eval()
    sums = torch.zeros(2, data.features.shape[1], device=samples.device)
    generator = torch.Generator(samples.device).manual_seed(_SEED)
    for row in samples.split(_BATCH):
        history = predictor.history_encoder.encode_frames(data.features, data.history(row))
        predicted = predictor(history, data.current(row, generator), data.skill[row])
        counts = torch.ones_like(predicted, dtype=torch.bool)
        counts[:, predicted.shape[1] - data.object_columns :] = data.has_object[row, None]
        target = data.features[row + 1]
        for which, guess in enumerate((predicted, data.features[row])):
            sums[which] += ((guess - target).square() * counts).sum(0)
    with_object = int(data.has_object[samples].sum())
    pose = data.features.shape[1] - data.object_columns
    weight = torch.full((data.features.shape[1],), float(len(samples)))
    weight[pose:] = with_object
    mean = sums.cpu() / weight
    predicted_mean, same_mean = mean if with_object else mean[:, :pose]
    return PredictionError(_by_part(predicted_mean, pose), _by_part(same_mean, pose))


def _by_part(mean: Tensor, pose: int) -> dict[str, float]:
    """Means over the columns of each part, of squared errors (D,) whose first `pose` columns are the pose."""
    joints = 1 + (pose - 1) // 2
    parts = {
        "root_height": mean[:1],
        "body_pos": mean[1:joints],
        "joint_rot": mean[joints:pose],
        "object_pos": mean[pose:],
    }
    errors = {name: part.mean().item() for name, part in parts.items() if len(part)}
    errors["loss"] = mean[:pose].mean().item() + errors.get("object_pos", 0.0)
    return errors


# --- A picture of what the encoder says along each clip -------------------------------------------------------------


# Clips beyond these are left out of the picture, which says so.
_MOST_CLIPS = 24
_COLUMNS = 2


def draw_embeddings(library: MotionLibrary, embedding: np.ndarray, length: int, path: Path) -> None:
    """Draws embedding (F, E) of `length` frames over time, a panel for each clip, as .png.

    Shaded is the begin of each clip, where its past is not yet that long. Raises EncoderError where it
    cannot be written.
    """
    shown = min(library.num_clips, _MOST_CLIPS)
    rows = -(-shown // _COLUMNS)
    figure = Figure(figsize=(12, 0.8 + 1.9 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, _COLUMNS, sharey=True, squeeze=False).ravel()
    parts = np.split(embedding, library.clip_start.cpu().numpy()[1:])
    for clip, panel in enumerate(panels[:shown]):
        seconds = np.arange(len(parts[clip])) / library.fps
        for number, values in enumerate(parts[clip].T):
            panel.plot(seconds, values, lw=1.2, label=f"number {number + 1}")
        panel.axvspan(0, min(length / library.fps, float(seconds[-1])), color="0.93", lw=0)
        panel.set_title(f"{library.clip_names[clip]} (skill {int(library.clip_skill[clip])})", fontsize=8)
        panel.set_xlim(0, float(seconds[-1]))
        panel.tick_params(labelsize=7)
    for panel in panels[shown:]:
        panel.set_visible(False)
    lines = panels[0].get_lines()
    figure.legend(handles=lines, loc="outside lower right", ncols=len(lines), fontsize=8)
    more = f" (the first {shown} of {library.num_clips} clips)" if shown < library.num_clips else ""
    figure.suptitle(f"History embedding along each clip{more}; grey: its past is not full yet", fontsize=10)
    for panel in panels[max(0, shown - _COLUMNS) : shown]:
        panel.set_xlabel("time [s]", fontsize=8)
    try:
        figure.savefig(path, dpi=110)
    except OSError as error:
        raise EncoderError(f"{path}: cannot be written ({error.strerror or error})") from None
