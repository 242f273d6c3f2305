"""`run.py record`: the pictures of `play` or `replay` in a file."""

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from hoigym.commands import play, replay
from hoigym.core.config_parser import COMMAND_LINE
from hoigym.core.errors import UserError

DEFAULT_OUTPUT = "output/record.mp4"


def main(argv: Sequence[str]) -> None:
    """Records a policy (--checkpoint) or clips (--motion_file), with every option of `play` or `replay`."""
    arguments, source = route(argv)
    source.main(arguments)


def parse(argv: Sequence[str]) -> Any:
    """What `play` or `replay` make of the arguments; raises UserError."""
    arguments, source = route(argv)
    return source.parse(arguments)


def route(argv: Sequence[str]) -> tuple[list[str], ModuleType]:
    """The arguments with an --output, and the module that they are for."""
    names = {argument.split("=")[0] for argument in argv}
    if names & {"-h", "--help"}:
        print(
            "usage: run.py record --checkpoint PATH [options of play]\n"
            "       run.py record --motion_file PATH [options of replay]\n"
            f"\n--output FILE.mp4, FILE.png or FILE.npz; {DEFAULT_OUTPUT} where it is not given."
        )
        raise SystemExit(0)
    source = play if "--checkpoint" in names else replay
    if not names & {"--checkpoint", "--motion_file"}:
        raise UserError(f"{COMMAND_LINE}: record needs --checkpoint (a policy) or --motion_file (clips)")
    output = [] if "--output" in names else [f"--output={DEFAULT_OUTPUT}"]
    return [*argv, *output], source
