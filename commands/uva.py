"""`run.py uva`: the unified video-action model."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hoigym.adapters.uva.config import UVATrainConfig
from hoigym.commands.learning_run import parse_run, recipe_layer, train_run
from hoigym.commands.uva_record import RecordConfig, record
from hoigym.core.config_parser import ConfigParser, parse_action
from hoigym.core.device import check_device
from hoigym.core.errors import UserError
from hoigym.core.progress import format_count


@dataclass(frozen=True)
class BenchConfig:
    """Measure how long an action takes, with and without video, and where the time goes."""

    model: str = "tiny"
    """Recipe in cfg/uva, with random weights, or folder of a model."""
    device: str = "cpu"
    threads: int = 1
    batch: int = 1
    repeats: int = 3
    iterations: int = 1
    """Iterations in which a video is sampled."""
    whole_video: bool = True
    """Also time one call with video, which takes minutes at full size on a CPU."""

    def __post_init__(self) -> None:
        if min(self.threads, self.batch, self.repeats, self.iterations) < 1:
            raise UserError("threads, batch, repeats and iterations must be at least 1")


def bench(config: BenchConfig) -> None:
    """Measures and prints."""
    import torch

    from hoigym.adapters.uva.latency import measure
    from hoigym.adapters.uva.policy import UVAPolicy
    from hoigym.adapters.uva.pretrained import load_pretrained

    check_device(config.device)
    torch.set_num_threads(config.threads)
    folder = Path(config.model)
    known = folder.exists()
    policy = load_pretrained(folder) if known else UVAPolicy(recipe_config(config.model).model)
    weights = sum(value.numel() for value in policy.parameters())
    clock = "process time" if config.device == "cpu" else "wall time"
    source = config.model if known else f"recipe {config.model}, random weights"
    print(f"{source}: {format_count(weights)} weights, batch {config.batch}, {config.device}, {clock}", flush=True)
    latency = measure(policy.to(config.device), config.batch, config.repeats, config.iterations, config.whole_video)
    print("\n".join(latency.lines(config.iterations)))


# --- `run.py uva import`: LIBERO and robomimic files into a replay buffer -------------------------------------------


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
    from hoigym.adapters.uva.replay_buffer import ReplayWriter, instruction, read_hdf5

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


# --- `run.py uva train`: a UVA model from a replay buffer, in two stages; or a run resumed --------------------------


def parse_train(argv: Sequence[str]) -> tuple[UVATrainConfig, dict[str, Any]]:
    """The configuration, and the given options beside it: config, resume, run_dir."""
    aliases = {"--data": ["data.path"], "--action_dim": ["model.inputs.action_dim"]}
    return parse_run("uva train", UVATrainConfig, argv, aliases)


def recipe_config(name: str) -> UVATrainConfig:
    """The training that a recipe describes; raises UserError for an unknown one."""
    return ConfigParser("run.py uva train", UVATrainConfig).resolve([recipe_layer("uva", name)], [])


def train(config: UVATrainConfig, options: dict[str, Any]) -> None:
    """Trains, and says what to do next."""
    from hoigym.adapters.uva.training import train as fit

    train_run("uva train", config.for_stage(), options, fit)


# --- `run.py uva`: the unified video-action model -------------------------------------------------------------------


@dataclass(frozen=True)
class ConvertConfig:
    """Turn a released checkpoint into safetensors and JSON; nothing in the file is run."""

    checkpoint: Path | None = None
    """The released .ckpt."""
    output: Path | None = None
    """New folder of the model."""


@dataclass(frozen=True)
class TextConfig:
    """Turn sentences into the vectors that a model reads."""

    model: Path | None = None
    """A converted model that reads text, or a .safetensors file of CLIP ViT-B/32's weights."""
    tokenizer: Path | None = None
    """Folder with CLIP's vocab.json and merges.txt."""
    output: Path | None = None
    """File of vectors by sentence, .safetensors."""
    sentences: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlanActions:
    """Plans of clips: collect, table (`uva plan --help`)."""


@dataclass(frozen=True)
class PushTActions:
    """The PushT benchmark (`uva pusht --help`)."""


ACTIONS = {
    "train": UVATrainConfig,
    "convert": ConvertConfig,
    "text": TextConfig,
    "bench": BenchConfig,
    "record": RecordConfig,
    "import": ImportConfig,
    "plan": PlanActions,
    "pusht": PushTActions,
}
# Actions that are several actions themselves, by the module that has them.
_GROUPS = {"plan": "hoigym.commands.uva_plan", "pusht": "hoigym.commands.uva_pusht"}


def main(argv: Sequence[str]) -> None:
    """Parses argv and does one of the actions."""
    if argv and argv[0] in _GROUPS:
        importlib.import_module(_GROUPS[argv[0]]).main(argv[1:])
        return
    action, config = parse(argv)
    if action == "train":
        train(*config)
    elif action == "convert":
        from hoigym.adapters.uva.conversion import convert

        convert(config.checkpoint, config.output)
    elif action == "text":
        from hoigym.adapters.uva.conversion import text

        text(config.model, config.tokenizer, config.output, config.sentences)
    elif action == "record":
        record(config)
    elif action == "import":
        import_hdf5(config)
    else:
        bench(config)


def parse(argv: Sequence[str]) -> tuple[str, Any]:
    """The action and its configuration, with the options beside it for `train`; raises UserError."""
    if argv and argv[0] in _GROUPS:
        return argv[0], importlib.import_module(_GROUPS[argv[0]]).parse(argv[1:])
    if argv and argv[0] == "train":
        return "train", parse_train(argv[1:])
    return parse_action("uva", ACTIONS, argv)
