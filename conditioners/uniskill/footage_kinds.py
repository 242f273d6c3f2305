"""The footage that a configuration names."""

from conditioners.uniskill.config import PairConfig
from conditioners.uniskill.footage import Footage, StoreFootage, video_footage
from conditioners.uniskill.published import PUBLISHED
from conditioners.uniskill.store import RenderStore


def open_footage(config: PairConfig, held_out: bool) -> Footage:
    """Pieces to learn from, or those held out; raises UserError where the data is not there."""
    if config.kind == "store":
        return StoreFootage(RenderStore.open(config.path), config, held_out)
    if config.kind == "videos":
        return video_footage(config, held_out)
    return PUBLISHED[config.kind](config, held_out)
