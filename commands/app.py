"""Finds the command, runs it, and turns what goes wrong into an exit status."""

import importlib
import os
import sys
from collections.abc import Sequence

from jsonargparse import ArgumentError, ArgumentParser

from hoigym.core.config_parser import explain
from hoigym.core.errors import UserError, unknown_name

COMMANDS = {
    "train": "train a policy, or resume a run",
    "play": "run a trained policy, and record it if asked",
    "eval": "measure how often a trained policy succeeds",
    "replay": "show clips as they are, without physics",
    "record": "write a video or pictures of a policy or of clips",
    "motions": "look at clips, convert them, make the demo clips",
    "models": "export a trained policy, small enough to ship; list those that are",
    "graph": "link the states of different skills, for starts and switches",
    "encode": "train the history encoder, or apply it to clips",
    "uniskill": "learn skills from videos, and describe clips by them",
    "uva": "one model of video and action: train, convert, act",
    "bench": "measure the speed of engine, environment and training",
}
USAGE_ERROR, INTERRUPTED = 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line (sys.argv by default); returns the exit status.

    0 done, 2 wrong input (one line on stderr), 130 interrupted. Unexpected errors keep their traceback.
    """
    argv = sys.argv[1:] if argv is None else argv
    try:
        _dispatch(list(argv))
        sys.stdout.flush()
    except UserError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return USAGE_ERROR
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe (head, less) left: nothing is wrong, and Python must not flush again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except SystemExit as finished:
        return int(finished.code or 0)
    return 0


def _dispatch(argv: list[str]) -> None:
    """Imports only the command that is asked for, so that help and errors are quick."""
    if argv and argv[0] in COMMANDS:
        importlib.import_module(f"hoigym.commands.{argv[0]}").main(argv[1:])
        return
    if argv and not argv[0].startswith("-"):
        raise UserError(f"command line: {unknown_name('command', argv[0], COMMANDS)}")
    parser = ArgumentParser(
        prog="run.py",
        description="Human-object-interaction skills: train, play, replay.",
        epilog="run.py COMMAND --help shows the options of a command.",
        exit_on_error=False,
        allow_abbrev=False,
    )
    subcommands = parser.add_subcommands(title="commands", metavar="COMMAND", required=False)
    for name, purpose in COMMANDS.items():
        subcommands.add_subcommand(name, ArgumentParser(), help=purpose)
    try:
        parser.parse_args(argv)
    except ArgumentError as error:
        raise UserError(f"command line: {explain(str(error), {}, ['--help'])}") from None
    parser.print_help()
