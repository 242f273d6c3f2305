"""A picture of what the encoder says along each clip."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from hist_encoder.checkpoint import EncoderError
from motions.library import MotionLibrary

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
