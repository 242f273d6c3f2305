"""The footage that a configuration names."""

from dataclasses import replace

from conditioners.uniskill.config import PairConfig
from conditioners.uniskill.footage import Footage, JoinedFootage, StoreFootage, video_footage
from conditioners.uniskill.published import PUBLISHED
from conditioners.uniskill.store import RenderStore
from motions.errors import UserError


def open_footage(config: PairConfig, held_out: bool) -> Footage:
    """Pieces to learn from, or those held out; raises UserError where the data is not there."""
    parts = [_open(replace(config, path=path), held_out) for path in config.path.split(":")]
    return JoinedFootage(parts) if len(parts) > 1 else parts[0]


def _open(config: PairConfig, held_out: bool) -> Footage:
    if config.kind == "store":
        return StoreFootage(RenderStore.open(config.path), config, held_out)
    if config.kind == "videos":
        return video_footage(config, held_out)
    try:
        return PUBLISHED[config.kind](config, held_out)
    except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        raise UserError(f"{config.path}: not laid out as {config.kind} is ({type(error).__name__}: {error})") from None
