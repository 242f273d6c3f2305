"""A comparison of variants does what is missing, and nothing twice."""

import json
import os
from pathlib import Path

import pytest

from hoigym.benchmarks import variants
from hoigym.benchmarks.variants import Variant

PLAIN = Variant("no tricks", ("--num_envs", "4"), ("--trials", "2"), "")
ASIDE = Variant("no tricks, shuffled", (), ("--trials", "2", "--shuffle", "yes"), "no tricks")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The commands that would be run; they leave what theirs leave."""
    made: list[tuple[str, ...]] = []

    def call(*command: str) -> None:
        made.append(command)
        options = dict(zip(command[1::2], command[2::2], strict=True))
        if command[0] == "train":
            run = Path(options.get("--run_dir") or options["--resume"])
            samples = int(options["--agent.max_samples"])
            write(run / "checkpoints" / f"epoch_{samples:06d}" / "state.json", {"samples": samples})
        else:
            cells = [{"kind": "SR", "rate": 0.25, "reward": None, "body_error": 10.0 * len(made), "object_error": None}]
            write(Path(options["--output"]) / "report.json", {"cells": cells})

    monkeypatch.setattr(variants, "_call", call)
    return made


def write(path: Path, content: object) -> None:
    """Each file is a second younger than the one before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    write.time += 1  # type: ignore[attr-defined]
    os.utime(path, (write.time, write.time))  # type: ignore[attr-defined]


write.time = 1_000_000  # type: ignore[attr-defined]


def compare(output: Path, samples: int) -> None:
    for variant in (PLAIN, ASIDE):
        variants.train(variant, output, 3, samples)
        variants.measure(variant, output, 3)


def test_what_is_done_is_kept_until_more_samples_are_wanted(tmp_path: Path, calls: list[tuple[str, ...]]) -> None:
    run = str(tmp_path / "no_tricks-3")
    compare(tmp_path, 100)
    assert [command[0] for command in calls] == ["train", "eval", "eval"]
    new = ("train", "--num_envs", "4", "--run_dir", run, "--agent.seed", "3", "--env.seed", "3")
    assert calls[0] == (*new, "--agent.max_samples", "100")
    assert calls[2][calls[2].index("--checkpoint") + 1] == run
    assert calls[2][-2:] == ("--shuffle", "yes")

    del calls[:]
    compare(tmp_path, 100)
    assert calls == []
    compare(tmp_path, 200)
    assert calls[0] == ("train", "--resume", run, "--agent.max_samples", "200")
    assert [command[0] for command in calls] == ["train", "eval", "eval"]


def test_the_table_has_means_of_what_there_is(tmp_path: Path, calls: list[tuple[str, ...]]) -> None:
    compare(tmp_path, 100)
    last = variants.table([PLAIN, ASIDE], tmp_path, [3], 100).splitlines()[-2:]
    assert variants.table([PLAIN], tmp_path, [3, 4], 100).splitlines()[-1].startswith("| no tricks (1 of 2 seeds) |")
    assert "| " + ASIDE.name not in variants.table([ASIDE], tmp_path, [4], 100)
    assert last == ["| no tricks | 0.25 | - | 20 | - |", "| no tricks, shuffled | 0.25 | - | 30 | - |"]
