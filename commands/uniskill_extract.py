"""`run.py uniskill extract`: one skill vector for every frame of films, as a table of conditions."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hoigym.adapters.uniskill.config import DEPTH_MODEL
from hoigym.commands.uniskill_render import RenderConfig, render_store
from hoigym.core.device import check_device
from hoigym.core.errors import UserError

if TYPE_CHECKING:
    from hoigym.adapters.uniskill.depth import DepthEstimator
    from hoigym.adapters.uniskill.extraction import Extractor, SkillCache
    from hoigym.adapters.uniskill.store import RenderStore
    from hoigym.conditioners.table import ConditionTable

_CLIPS, _STORE, _VIDEO = "clips", "a store", "a video"
_MEANT_FOR = {"looks": _CLIPS, "embodiments": _STORE, "colours": _STORE, "film": _STORE, "as_released": _VIDEO}


@dataclass(frozen=True)
class ExtractConfig:
    """Describe every frame of clips, of a store's films, or of a video, by the skill that begins there."""

    source: Path | None = None
    """Clip or folder of clips, store of `uniskill render`, or video."""
    output: Path | None = None
    """The .npz to write, for --env.condition.file (clips, a store of them) or --env.condition.prompt (any)."""
    model: str | None = None
    """Run of `uniskill train`, or a published checkpoint: file, folder or hub id."""
    gap: float = 0.5
    """Time between the pictures of a pair [s]."""
    looks: tuple[str, ...] = ()
    """Of clips: looks in which they are filmed first, as `uniskill render` names them, A where empty; each becomes a
    variant."""
    embodiments: tuple[str, ...] = ()
    """Of a store: the figures to describe; all where empty. Each look of all clips becomes a variant of the table."""
    colours: tuple[str, ...] = ()
    """Of a store: kinds of colouring to describe; all where empty."""
    film: str = ""
    """Of a store: this film alone, as a prompt."""
    depth_model: str = DEPTH_MODEL
    """Folder or hub id of the network that gives the depth of a video."""
    cache: Path = Path("output/uniskill-cache")
    """Folder that keeps the vectors of every film, by content."""
    device: str = "cpu"
    as_released: bool = False
    """Prepare a video as the released script does, wrongly scaled for the depth network: to compare with its files."""
    overwrite: bool = False
    """Replace a file that is there."""

    def __post_init__(self) -> None:
        if not self.gap > 0:
            raise UserError(f"gap must be above 0, not {self.gap:g}")


def extract(config: ExtractConfig) -> None:
    """Does what the configuration says; raises UserError."""
    from hoigym.adapters.uniskill.extraction import SkillCache
    from hoigym.conditioners.table import save_table

    assert config.source is not None
    assert config.output is not None
    if config.output.exists() and not config.overwrite:
        raise UserError(f"{config.output}: is there already; choose another name or --overwrite")
    if not config.source.exists():
        raise UserError(f"{config.source}: no such store or video, nor a clip")
    check_device(config.device)
    cache = SkillCache(config.cache)
    table = _table(config, config.source, cache)
    save_table(table, config.output)
    variants, frames, width = table.values.shape
    print(f"{config.output}: {variants} variants of {frames} frames, {width} numbers each, at {table.fps:g} a second")
    print(f"{cache.hits} films were in {config.cache} already")


def _table(config: ExtractConfig, source: Path, cache: "SkillCache") -> "ConditionTable":
    from hoigym.adapters.uniskill.store import RenderStore

    kind = _kind(source)
    for option, meant in _MEANT_FOR.items():
        if getattr(config, option) and meant != kind:
            raise UserError(f"{source}: is taken as {kind}, but --{option} is for {meant}")
    if kind == _VIDEO:
        return _of_video(config, source, cache)
    extractor = _extractor(config)
    if kind == _STORE:
        return _of_store(config, RenderStore.open(source), extractor, cache)
    looks, size = config.looks or ("A",), extractor.isd.config.resolution
    with tempfile.TemporaryDirectory() as folder:
        films = RenderConfig(Path(folder), str(source), looks=looks, variants=1, size=size)
        return _of_store(config, render_store(films), extractor, cache)


def _kind(source: Path) -> str:
    from hoigym.adapters.uniskill.footage import VIDEO_SUFFIXES
    from hoigym.adapters.uniskill.store import INDEX

    if source.suffix.lower() in VIDEO_SUFFIXES:
        return _VIDEO
    return _STORE if (source / INDEX).is_file() else _CLIPS


def _of_store(
    config: ExtractConfig, store: "RenderStore", extractor: "Extractor", cache: "SkillCache"
) -> "ConditionTable":
    from hoigym.adapters.uniskill.extraction import table_of_store, table_of_video
    from hoigym.adapters.uniskill.store import disparity
    from hoigym.commands.eval import EvalProgress

    if config.film:
        found = [one for one in store.renderings if one.name == config.film]
        if not found:
            raise UserError(f"{config.source}: no film '{config.film}' of {len(store.renderings)}")
        return table_of_video(store.rgb(found[0]), disparity(store.depth(found[0])), found[0].fps, extractor, cache)
    chosen = store.chosen(config.embodiments, config.colours)
    with EvalProgress() as progress:
        name = f"skills of {config.source}"
        return table_of_store(store, chosen, extractor, cache, lambda done, of: progress.show(name, done, of))


def _of_video(config: ExtractConfig, video: Path, cache: "SkillCache") -> "ConditionTable":
    from hoigym.adapters.uniskill.depth import load_depth_estimator
    from hoigym.adapters.uniskill.extraction import table_of_video
    from hoigym.adapters.uniskill.footage import read_video, video_facts

    _, fps = video_facts(video)
    extractor = _extractor(config, load_depth_estimator(config.depth_model, config.device))
    # A minute of a phone's pictures as they are would not fit into memory.
    side = None if config.as_released else extractor.isd.config.resolution
    return table_of_video(read_video(video, side=side), None, fps, extractor, cache)


def _extractor(config: ExtractConfig, estimator: "DepthEstimator | None" = None) -> "Extractor":
    from hoigym.adapters.uniskill.extraction import Extractor
    from hoigym.adapters.uniskill.pretrained import load_isd, weights_hash

    assert config.model is not None
    isd = load_isd(config.model)
    depth_source = config.depth_model if estimator else "simulator"
    name = weights_hash(isd)
    return Extractor(isd.to(config.device), name, config.gap, estimator, depth_source, as_released=config.as_released)
