"""`run.py models`: trained policies, small enough to ship."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hoigym.core.config_parser import parse_action
from hoigym.core.errors import UserError
from hoigym.core.run_folder import CONFIG_FILE, env_layer, write_config

SHIPPED = Path(__file__).parent.parent / "models"


@dataclass(frozen=True)
class ExportConfig:
    """Write the policy of a run as a small folder of its own, which play, eval and --start_from take."""

    checkpoint: Path | None = None
    """Run folder, checkpoint, or exported policy."""
    output: Path | None = None
    """New folder: actor in float16, its normaliser, and the environment that it was trained in."""
    overwrite: bool = False
    """Replace files that are there."""


@dataclass(frozen=True)
class ListConfig:
    """Print the policies that are shipped."""


ACTIONS = {"export": ExportConfig, "list": ListConfig}


def main(argv: Sequence[str]) -> None:
    """Parses argv and does one of export, list."""
    action, config = parse(argv)
    if action == "export":
        export(config.checkpoint, config.output, config.overwrite)
    else:
        list_shipped()


def parse(argv: Sequence[str]) -> tuple[str, Any]:
    """The action and its configuration; raises UserError."""
    return parse_action("models", ACTIONS, argv)


def export(checkpoint: Path, output: Path, overwrite: bool = False) -> None:
    """Writes policy and environment of a run into the folder output.

    Raises UserError where there is no such run, it is damaged, or output holds a policy already.
    """
    from hoigym.agents.policy import FACTS_FILE, WEIGHTS_FILE, export_policy

    layer = env_layer(checkpoint)
    present = [output / name for name in (WEIGHTS_FILE, FACTS_FILE, CONFIG_FILE) if (output / name).exists()]
    if present and not overwrite:
        raise UserError(f"{present[0]}: exists already; choose another folder or pass --overwrite")
    export_policy(checkpoint, output, {"source": checkpoint.resolve().name})
    write_config(output, layer.values)
    size = (output / WEIGHTS_FILE).stat().st_size
    print(f"{output}  {size / 1e6:.1f} MB; look: python run.py play --checkpoint {output}")


def list_shipped() -> None:
    """Prints the names and tasks of the shipped policies."""
    from hoigym.agents.policy import FACTS_FILE, load_policy

    for facts in sorted(SHIPPED.glob(f"*/{FACTS_FILE}")):
        policy = load_policy(facts.parent)
        print(f"{facts.parent.name:<16} {policy.task:<12} hidden layers {', '.join(map(str, policy.hidden_sizes))}")
