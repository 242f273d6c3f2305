"""`run.py uva pusht` and its neighbours, as a user types them."""

import json
from pathlib import Path

import pytest

from hoigym.adapters.uva.replay_buffer import read_replay
from hoigym.commands import uva, uva_pusht
from hoigym.commands.uva_pusht import EvalConfig, RunCloneConfig
from hoigym.core.errors import UserError


def test_collecting_says_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "demos.zarr"
    uva_pusht.main(["collect", str(path), "--episodes", "1", "--first_seed", "7", "--noise", "0"])
    out = capsys.readouterr().out
    assert "episode 1/1  seed 7" in out
    assert "0 failed" in out
    assert read_replay(path).seeds.tolist() == [7]


def test_evaluation_prints_a_table_and_writes_results_and_films(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    uva_pusht.main(["eval", "expert,still", "--seeds", "2", "--film", "1", "--output", str(tmp_path / "out")])
    rows = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()}
    assert rows["expert"][:4] == ["1.000", "2", "of", "2"]
    assert float(rows["still"][0]) < 0.2
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["expert"]["seeds"] == [100_000, 100_001]
    assert results["expert"]["interval"][1] == 1.0
    assert (tmp_path / "out" / "expert" / "100000.mp4").stat().st_size > 1000
    assert (tmp_path / "out" / "expert" / "100000.png").exists()


def test_parsing():
    action, config = uva.parse(["pusht", "eval", "output/pusht/uva,expert"])[1]
    assert action == "eval"
    assert config == EvalConfig(checkpoint="output/pusht/uva,expert")
    config = uva_pusht.parse(["clone", "data.zarr", "run", "--clone.sees", "true", "--clone.fit.steps", "9"])[1]
    assert isinstance(config, RunCloneConfig)
    assert config.clone.sees
    assert config.clone.fit.steps == 9
    assert config.clone.fit.ema


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["eval"], "checkpoint"), (["clone", "data.zarr"], "run_dir"), (["colect", "x"], "collect")],
)
def test_mistakes_are_named(arguments: list[str], said: str):
    with pytest.raises(UserError, match=said):
        uva_pusht.parse(arguments)


def test_a_policy_that_is_not_there(tmp_path: Path):
    with pytest.raises(UserError):
        uva_pusht.main(["eval", str(tmp_path / "nothing"), "--output", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("seeds", ["0", "51"])
def test_seeds_beyond_the_published_ones(seeds: str):
    with pytest.raises(UserError, match=r"must lie in 1 \.\. 50"):
        uva_pusht.parse(["eval", "still", "--seeds", seeds])


def test_a_collection_that_is_complete_shows_nothing_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from hoigym.adapters.pusht import collect

    monkeypatch.setattr(collect, "demonstrate", lambda seed, noise: pytest.fail("nothing was wanted"))
    assert collect.collect(tmp_path / "none.zarr", 0, 0.0, 0, 1, lambda demonstration, stored: None) == 0
