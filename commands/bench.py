"""`run.py bench`: how fast the raw engine, the environment and training are, in one run."""

from collections.abc import Sequence

from commands.config_parser import COMMAND_LINE, ConfigParser
from commands.train import task_and_recipe
from commands.train_config import ALIASES, TrainConfig
from motions.errors import UserError


def main(argv: Sequence[str]) -> None:
    """Parses argv and measures."""
    config, seconds = parse(argv)
    try:
        from benchmarks.throughput import measure
    except ModuleNotFoundError as error:
        if error.name not in ("benchmarks", "benchmarks.throughput"):
            raise
        raise UserError("benchmarks/ is not installed: run `bench` in a checkout of the repository") from None
    measure(config.env, config.agent, seconds=seconds)


def parse(argv: Sequence[str]) -> tuple[TrainConfig, float]:
    """The configuration, and the seconds for each measurement; raises UserError."""
    parser = ConfigParser("run.py bench", TrainConfig, ALIASES)
    parser.add_argument("--seconds", type=float, default=10.0, help="Time for each measurement.")
    given = parser.given(argv)
    seconds = float(given.get("seconds", 10.0))
    if not seconds > 0:
        raise UserError(f"{COMMAND_LINE}: seconds must be above 0, not {seconds}")
    return parser.resolve(task_and_recipe(given, []), argv), seconds
