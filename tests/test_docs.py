"""The pages: their commands are real, their links lead somewhere."""

import importlib
import re
import shlex
from pathlib import Path

import pytest

from hoigym.commands.app import COMMANDS
from hoigym.core.config import Layer, read_layer

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("models/**/*.md")])
_BLOCK = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


def shell_lines(page: Path) -> list[str]:
    """Lines of the page's bash blocks, continued ones joined."""
    blocks = _BLOCK.findall(page.read_text(encoding="utf-8"))
    return [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]


COMMAND_LINES = sorted({line for page in PAGES for line in shell_lines(page) if line.startswith("python run.py")})


def _layer(path: Path) -> Layer:
    """The repository's own files as they are; files that only stand for a user's own, empty."""
    return read_layer(path) if path.is_relative_to(ROOT) else Layer(str(path), {})


def _env_layer(path: Path) -> Layer:
    """The environment of a run that only stands for a user's own; output/conditioned has a table of conditions."""
    condition = {"kind": "table", "file": "output/z.npz"}
    return Layer(str(path), {"env": {"condition": condition}} if path.name == "conditioned" else {})


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_commands_on_the_pages_are_understood(line: str, monkeypatch: pytest.MonkeyPatch):
    for command in COMMANDS:
        module = importlib.import_module(f"hoigym.commands.{command}")
        monkeypatch.setattr(module, "read_layer", _layer, raising=False)
        monkeypatch.setattr(module, "env_layer", _env_layer, raising=False)
    arguments = shlex.split(line, comments=True)[2:]
    if arguments[-1] == "--help":
        return
    assert arguments[0] in COMMANDS
    importlib.import_module(f"hoigym.commands.{arguments[0]}").parse(arguments[1:])


def test_the_pages_show_every_command():
    shown = {line.split()[2] for line in COMMAND_LINES}
    assert set(COMMANDS) - {"bench"} <= shown


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path):
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in link:
            assert (page.parent / link).exists(), link


def test_make_targets_on_the_pages_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    lines = [line for page in PAGES for line in shell_lines(page) if line.startswith("make ")]
    assert {"make demo", "make test"} <= {" ".join(line.split()[:2]) for line in lines}
    assert {line.split()[1] for line in lines} <= targets
