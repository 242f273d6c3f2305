"""The benchmarks' command lines on the pages, and the options in their files, are real."""

import argparse
import importlib
import shlex
import sys
from pathlib import Path

import pytest

from hoigym.benchmarks.variants import read_variants
from hoigym.commands import eval as evaluate
from hoigym.commands import train
from hoigym.core.config import Layer, to_plain
from tests.test_docs import PAGES, shell_lines

FILES = Path(__file__).parents[2] / "benchmarks" / "variants"
LINES = sorted({line for page in PAGES for line in shell_lines(page) if line.startswith("python ")})
SCRIPTS = [line for line in LINES if "benchmarks" in line.split(" --")[0]]


class Parsed(Exception):
    """The options were understood; what follows would measure."""


def name_and_arguments(line: str) -> tuple[str, list[str]]:
    words = shlex.split(line)[1:]
    return (words[1], words[2:]) if words[0] == "-m" else (words[0].removesuffix(".py").replace("/", "."), words[1:])


@pytest.mark.parametrize("line", SCRIPTS)
def test_the_pages_know_the_options(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(parser: argparse.ArgumentParser) -> None:
        understand(parser)
        raise Parsed

    understand = argparse.ArgumentParser.parse_args
    name, arguments = name_and_arguments(line)
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    with pytest.raises(Parsed):
        importlib.import_module(name).main()


@pytest.mark.parametrize("line", [line for line in SCRIPTS if "variants" in line])
def test_variants_are_made_of_real_options(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, arguments = name_and_arguments(line)
    pairs = arguments[arguments.index("--set") + 1 :]
    pairs = pairs[: next((place for place, word in enumerate(pairs) if word.startswith("--")), len(pairs))]
    variants = read_variants(FILES / Path(arguments[0]).name, dict(pair.split("=", 1) for pair in pairs), [])
    assert len(variants) >= 8
    runs = {variant.name: to_plain(train.parse(variant.train)[0]) for variant in variants if not variant.like}
    for measure, variant in {variant.measure: variant for variant in variants}.items():
        env = runs[variant.like or variant.name]["env"]
        assert env["task"] == "ballplay"
        monkeypatch.setattr(evaluate, "env_layer", lambda path, env=env: Layer(str(path), {"env": env}))
        evaluate.parse(["--checkpoint", "run", *measure])
