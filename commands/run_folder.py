"""Where a run keeps its configuration."""

from pathlib import Path

from commands.layers import Layer, read_layer, restrict, section
from motions.errors import UserError
from motions.run_config import CONFIG_FILE


def env_layer(checkpoint: Path) -> Layer:
    """The environment of the run that a run folder, checkpoint or shipped policy belongs to, as a layer.

    Clips that lie in that folder are found from anywhere. Raises UserError where there is no such folder or it says
    nothing of its environment.
    """
    if not checkpoint.exists():
        raise UserError(f"command line: no run, checkpoint or policy at {checkpoint}")
    path = _config_of(checkpoint)
    if path is None:
        raise UserError(f"{checkpoint}: no {CONFIG_FILE} in it or above it")
    layer = restrict(read_layer(path), ["env"])
    clips = section(layer, "env").get("motion_file")
    if isinstance(clips, str) and clips and (path.parent / clips).exists():
        layer.values["env"]["motion_file"] = str(path.parent / clips)
    return layer


def hands_layer(policy: Path) -> Layer:
    """How the fingers are locked that a policy knows, as a layer; empty where nothing says so."""
    path = _config_of(policy)
    pose = section(read_layer(path), "env", "scene").get("locked_pose") if path else None
    return Layer(str(path), {"env": {"scene": {"locked_pose": pose}}} if pose else {})


def _config_of(policy: Path) -> Path | None:
    folder = policy.resolve()
    # A checkpoint lies in RUN/checkpoints/NAME.
    places = (folder, *list(folder.parents)[:2])
    return next((place / CONFIG_FILE for place in places if (place / CONFIG_FILE).is_file()), None)
