"""Where a run keeps its configuration."""

from pathlib import Path

from commands.layers import Layer, read_layer, restrict
from motions.errors import UserError
from motions.run_config import CONFIG_FILE


def env_layer(checkpoint: Path) -> Layer:
    """The environment of the run that a run folder, checkpoint or shipped policy belongs to, as a layer.

    Raises UserError where there is no such folder or it says nothing of its environment.
    """
    if not checkpoint.exists():
        raise UserError(f"command line: no run, checkpoint or policy at {checkpoint}")
    folder = checkpoint.resolve()
    # A checkpoint lies in RUN/checkpoints/NAME.
    for place in (folder, *list(folder.parents)[:2]):
        if (place / CONFIG_FILE).is_file():
            return restrict(read_layer(place / CONFIG_FILE), ["env"])
    raise UserError(f"{checkpoint}: no {CONFIG_FILE} in it or above it")
