"""`run.py uniskill extract`: one skill vector for every frame of films, as a table of conditions."""

from dataclasses import dataclass
from pathlib import Path

from motions.errors import UserError


@dataclass(frozen=True)
class ExtractConfig:
    """Describe every frame of a store's films, or of a video, by the skill that begins there."""

    source: Path | None = None
    """Store of `uniskill render`, or a video."""
    output: Path | None = None
    """The .npz to write, for --env.condition.file (a store of clips) or --env.condition.prompt (one film, a video)."""
    model: str | None = None
    """Run of `uniskill train`, or a published checkpoint: file, folder or hub id."""
    gap: float = 0.5
    """Time between the pictures of a pair [s]."""
    embodiments: tuple[str, ...] = ()
    """Of a store: the figures to describe; all where empty. Each look of all clips becomes a variant of the table."""
    colours: tuple[str, ...] = ()
    """Of a store: kinds of colouring to describe; all where empty."""
    film: str = ""
    """Of a store: this film alone, as a prompt."""
    depth_model: str = "depth-anything/Depth-Anything-V2-Small-hf"
    """Folder or hub id of the network that gives the depth of a video."""
    cache: Path = Path("output/uniskill-cache")
    """Folder that keeps the vectors of every film, by content."""
    device: str = "cpu"
    as_released: bool = False
    """Prepare a video as the released script does, wrongly scaled for the depth network: to compare with its files."""
    overwrite: bool = False
    """Replace a file that is there."""


def extract(config: ExtractConfig) -> None:
    """Does what the configuration says; raises UserError."""
    from conditioners.table_file import save_table
    from conditioners.uniskill.extraction import SkillCache

    assert config.source is not None
    assert config.output is not None
    if config.output.exists() and not config.overwrite:
        raise UserError(f"{config.output}: is there already; choose another name or --overwrite")
    if not config.source.exists():
        raise UserError(f"{config.source}: no such store or video")
    if config.gap <= 0:
        raise UserError(f"gap must be above zero, not {config.gap:g}")
    cache = SkillCache(config.cache)
    table = _of_store(config, cache) if config.source.is_dir() else _of_video(config, cache)
    save_table(table, config.output)
    variants, frames, width = table.values.shape
    print(f"{config.output}: {variants} variants of {frames} frames, {width} numbers each, at {table.fps:g} a second")
    print(f"{cache.hits} films were in {config.cache} already")


def _of_store(config: ExtractConfig, cache):
    from commands.eval_progress import EvalProgress
    from conditioners.uniskill.extraction import table_of_store, table_of_video
    from conditioners.uniskill.store import RenderStore, disparity

    assert config.source is not None
    store, extractor = RenderStore.open(config.source), _extractor(config)
    if config.film:
        found = [one for one in store.renderings if one.name == config.film]
        if not found:
            raise UserError(f"{config.source}: no film '{config.film}' of {len(store.renderings)}")
        return table_of_video(store.rgb(found[0]), disparity(store.depth(found[0])), found[0].fps, extractor, cache)
    chosen = [
        one
        for one in store.renderings
        if (not config.embodiments or one.embodiment in config.embodiments)
        and (not config.colours or one.colours in config.colours)
    ]
    with EvalProgress() as progress:
        name = f"skills of {config.source}"
        return table_of_store(store, chosen, extractor, cache, lambda done, of: progress.show(name, done, of))


def _of_video(config: ExtractConfig, cache):
    from conditioners.uniskill.depth import load_depth_estimator
    from conditioners.uniskill.extraction import table_of_video
    from conditioners.uniskill.footage import VIDEO_SUFFIXES, read_video, video_facts

    assert config.source is not None
    if config.source.suffix.lower() not in VIDEO_SUFFIXES:
        suffixes = ", ".join(VIDEO_SUFFIXES)
        raise UserError(f"{config.source}: not a video ({suffixes}); film clips with `run.py uniskill render` first")
    _, fps = video_facts(config.source)
    estimator = load_depth_estimator(config.depth_model, config.device)
    return table_of_video(read_video(config.source), None, fps, _extractor(config, estimator), cache)


def _extractor(config: ExtractConfig, estimator=None):
    import hashlib

    from conditioners.uniskill.extraction import Extractor
    from conditioners.uniskill.pretrained import load_isd, weights_hash_source

    assert config.model is not None
    isd = load_isd(config.model).to(config.device)
    weights = hashlib.sha256(weights_hash_source(config.model)).hexdigest()[:16]
    depth = config.depth_model if estimator else "simulator"
    return Extractor(isd, f"{weights}, depth {depth}", config.gap, estimator, as_released=config.as_released)
