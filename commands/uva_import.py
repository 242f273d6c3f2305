"""`run.py uva import`: LIBERO and robomimic files into a replay buffer."""

from dataclasses import dataclass
from pathlib import Path

from motions.errors import UserError


@dataclass(frozen=True)
class ImportConfig:
    """Read demonstrations from HDF5 files of LIBERO or robomimic into a replay buffer."""

    source: Path | None = None
    """An .hdf5 file, or a folder of them."""
    output: Path | None = None
    """New zarr folder."""
    camera: str = "agentview_rgb"
    """Whose pictures to take."""
    flip: bool = True
    """Turn pictures upside down, as LIBERO's are stored."""
    rotation_6d: bool = True
    """Rotation vectors in actions of 7 numbers become two rows of a matrix."""


def import_hdf5(config: ImportConfig) -> None:
    """Writes the buffer; one line for each file. Raises UserError."""
    from conditioners.uva.data.hdf5 import instruction, read_hdf5
    from conditioners.uva.data.replay_buffer import ReplayWriter

    assert config.source
    assert config.output
    files = sorted(config.source.glob("*.hdf5")) if config.source.is_dir() else [config.source]
    if not files:
        raise UserError(f"{config.source} has no .hdf5 files")
    if config.output.exists():
        raise UserError(f"{config.output} exists already; choose another folder")
    writer = None
    for file in files:
        before = writer.episodes if writer else 0
        for episode in read_hdf5(file, config.camera, config.flip, config.rotation_6d):
            # Made now, so that a file that cannot be read leaves no empty buffer behind.
            writer = writer or ReplayWriter(config.output)
            writer.append(episode, text=instruction(file))
        print(f"{file.name}: {writer.episodes - before if writer else 0} episodes, '{instruction(file)}'", flush=True)
    if writer is None:
        raise UserError(f"{config.source} has no episodes")
    print(f"{config.output}: {writer.episodes} episodes, {writer.steps} steps")
