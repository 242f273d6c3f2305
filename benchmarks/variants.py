"""Which part earns its keep: trains variants of a run with equal samples, and puts their success side by side.

    python benchmarks/variants.py benchmarks/variants/conditioners.yaml OUTPUT --set clips=CLIPS table=Z.npz

The file names options of `run.py train` and `run.py eval` that all variants share, and those of each variant; a
variant that is `like` another one uses that one's policy and only measures it differently. `{name}` in an option is
what --set gives. What is done already is kept, so a stopped comparison goes on where it was, and so does a finished one
that is asked for more --samples.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

RUN = Path(__file__).parent.parent / "run.py"
COLUMNS = {
    "rate": "success",
    "reward": "reward NR",
    "body_error": "E_b [mm]",
    "object_error": "E_o [mm]",
}
"""Numbers of a cell of an evaluation that are compared: means over its cells of kind SR."""


@dataclass(frozen=True)
class Variant:
    """Options of training and of measuring; like: the variant whose policy it uses, empty for its own."""

    name: str
    train: tuple[str, ...]
    measure: tuple[str, ...]
    like: str


def main() -> None:
    """Trains and measures what is missing; the table so far is in variants.md, and printed at the end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE")
    parser.add_argument("--only", nargs="*", default=[], metavar="VARIANT")
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    arguments = parser.parse_args()
    values = dict(pair.split("=", 1) for pair in arguments.set)
    variants = read_variants(arguments.file, values, arguments.only)
    for seed in arguments.seeds:
        for variant in variants:
            train(variant, arguments.output, seed, arguments.samples)
            measure(variant, arguments.output, seed)
            text = table(variants, arguments.output, arguments.seeds, arguments.samples)
            (arguments.output / "variants.md").write_text(text)
    print(text)


def read_variants(path: Path, values: dict[str, str], only: Sequence[str]) -> list[Variant]:
    """The variants of a file, or only those named; their options with the values filled in."""
    content: dict[str, Any] = yaml.safe_load(path.read_text())

    def options(*parts: list[Any] | None) -> tuple[str, ...]:
        return tuple(str(option).format(**values) for part in parts for option in part or [])

    return [
        Variant(
            name,
            options(content["train"], own.get("train")),
            options(content["eval"], own.get("eval")),
            own.get("like", ""),
        )
        for name, own in content["variants"].items()
        if not only or name in only
    ]


def train(variant: Variant, output: Path, seed: int, samples: int) -> None:
    """Trains a variant's policy, or goes on where it was stopped."""
    run = _run_dir(variant, output, seed)
    newest = _newest_checkpoint(run)
    if variant.like or (newest and json.loads(newest.read_text())["samples"] >= samples):
        return
    seeds = ["--agent.seed", str(seed), "--env.seed", str(seed)]
    start = ["--resume", str(run)] if newest else [*variant.train, "--run_dir", str(run), *seeds]
    _call("train", *start, "--agent.max_samples", str(samples))


def measure(variant: Variant, output: Path, seed: int) -> None:
    """Evaluates a variant's policy; a thousand seeds away from those of training."""
    folder, run = _measured(variant, output, seed), _run_dir(variant, output, seed)
    report, newest = folder / "report.json", _newest_checkpoint(run)
    if report.exists() and (newest is None or report.stat().st_mtime >= newest.stat().st_mtime):
        return
    _call("eval", "--checkpoint", str(run), "--output", str(folder), "--seeds", f"[{1000 + seed}]", *variant.measure)


def table(variants: Sequence[Variant], output: Path, seeds: Sequence[int], samples: int) -> str:
    """Markdown: a row for each measured variant, the mean over its seeds and, of several, their standard deviation."""
    lines = [f"{samples:,} samples a variant, seeds {list(seeds)}", ""]
    lines += ["| variant | " + " | ".join(COLUMNS.values()) + " |", "|---" * (1 + len(COLUMNS)) + "|"]
    for variant in variants:
        files = [_measured(variant, output, seed) / "report.json" for seed in seeds]
        reports = [json.loads(file.read_text()) for file in files if file.exists()]
        if reports:
            name = (
                variant.name if len(reports) == len(seeds) else f"{variant.name} ({len(reports)} of {len(seeds)} seeds)"
            )
            lines.append(f"| {name} | " + " | ".join(_entry(reports, column) for column in COLUMNS) + " |")
    return "\n".join(lines) + "\n"


def _entry(reports: Sequence[dict[str, Any]], column: str) -> str:
    """Mean over the cells of each report that have such a number, then over the reports; "-" where none has."""
    cells = [[cell[column] for cell in report["cells"] if cell["kind"] == "SR"] for report in reports]
    means = [statistics.fmean(known) for report in cells if (known := [value for value in report if value is not None])]
    if not means:
        return "-"
    spread = f" ± {statistics.stdev(means):.3g}" if len(means) > 1 else ""
    return f"{statistics.fmean(means):.3g}{spread}"


def _newest_checkpoint(run: Path) -> Path | None:
    """What the newest checkpoint of a run says of itself; None before the first one."""
    return max(run.glob("checkpoints/epoch_*/state.json"), default=None)


def _run_dir(variant: Variant, output: Path, seed: int) -> Path:
    return output / f"{_slug(variant.like or variant.name)}-{seed}"


def _measured(variant: Variant, output: Path, seed: int) -> Path:
    return output / f"{_slug(variant.name)}-{seed}-eval"


def _slug(name: str) -> str:
    return "_".join(re.findall(r"\w+", name))


def _call(*command: str) -> None:
    print("run.py " + " ".join(command), flush=True)
    if subprocess.run([sys.executable, str(RUN), *command]).returncode:
        raise SystemExit(f"stopped: {command[0]} failed; the same command goes on from here")


if __name__ == "__main__":
    main()
