"""`run.py uniskill act`: rollouts are recorded, learned from, and the policy is carried out."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hoigym.adapters.uniskill.config import PolicyConfig, PolicyTraining
from hoigym.adapters.uniskill.policy import PolicySizes, RecedingHorizon, SkillPolicy, load_policy
from hoigym.adapters.uniskill.pretrained import PretrainedError
from hoigym.commands.uniskill import parse_policy, policy
from hoigym.commands.uniskill_act import ActConfig, act, start_rows, trial
from hoigym.commands.uniskill_record import RecordConfig, followed_rows, record
from hoigym.conditioners.table import ConditionTable, save_table
from hoigym.core.errors import UserError
from hoigym.envs.make import make_task
from hoigym.motions.demo import CLIP_DIR
from hoigym.motions.formats import load_clips
from hoigym.motions.library import MotionLibrary

CLIP = CLIP_DIR / "010_demo_walk_1.npz"
TINY = ["--policy.widths", "[8, 16]", "--policy.step_width", "8", "--policy.encoded", "8", "--policy.components", "4"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy that has hardly learned."""
    folder = tmp_path_factory.mktemp("act")
    record(RecordConfig(folder / "rollouts.npz", str(CLIP), num_envs=8, steps=40))
    library = MotionLibrary(load_clips(CLIP))
    z = torch.randn(2, library.num_frames, 3, generator=torch.Generator().manual_seed(0))
    save_table(ConditionTable(z, library.fps, library.content_hash), folder / "z.npz")
    files = ["--rollouts", str(folder / "rollouts.npz"), "--table", str(folder / "z.npz")]
    fit = [
        "--steps",
        "2",
        "--batch_size",
        "4",
        "--warm_up",
        "0",
        "--fit.device",
        "cpu",
        "--run_dir",
        str(folder / "run"),
    ]
    policy(*parse_policy([*files, *fit, *TINY]))
    return folder / "run"


def test_it_is_carried_out_beside_what_it_imitates(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    act(ActConfig(run, str(CLIP), starts=2, seconds=0.3))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2 starts, trials of 0.3 s"
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    names = ["feed-forward", "policy, z of the clip", "policy, z of another clip", "first feed-forward action, held"]
    assert [row[0] for row in table[2:]] == names
    assert table[2][1:3] == ["0.30 ± 0.00", "100%"]
    rewards = [float(row[3]) for row in table[2:]]
    assert all(0 < other < rewards[0] for other in rewards[1:])


def test_what_does_not_fit_is_one_line(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="made for other clips"):
        act(ActConfig(run, str(CLIP_DIR), starts=2))
    library = MotionLibrary(load_clips(CLIP))
    save_table(ConditionTable(torch.zeros(1, library.num_frames, 5), 60.0, library.content_hash), tmp_path / "z.npz")
    with pytest.raises(UserError, match="learned with 3 numbers in each skill, here are 5"):
        act(ActConfig(run, str(CLIP), starts=2, table=str(tmp_path / "z.npz")))
    with pytest.raises(PretrainedError, match="no training run there"):
        act(ActConfig(tmp_path, str(CLIP)))
    with pytest.raises(PretrainedError, match="not the configuration of a UniSkill training"):
        load_policy(Path(__file__).parents[1] / "models" / "uniskill_mini")
    with pytest.raises(UserError, match="ask for fewer --seconds"):
        act(ActConfig(run, str(CLIP), starts=2, seconds=60.0))
    with pytest.raises(UserError, match="starts must be at least 2"):
        ActConfig(starts=1)
    with pytest.raises(UserError, match="seconds must be above 0"):
        ActConfig(seconds=0.0)


def test_a_trial_counts_one_life_of_every_row() -> None:
    chosen = {"motion_file": str(CLIP), "episode": {"length": 1000, "max_root_error": 0.5}, "seed": 1}
    env = make_task("locomotion", 3, **chosen)
    rows = start_rows(env, 3, 110, seed=0)
    assert len(rows.unique()) > 1
    assert ((rows >= 2) & (rows + 110 < env.library.num_frames)).all()

    def limp():
        assert torch.equal(followed_rows(env), rows)
        return lambda obs: torch.zeros(env.action_space.shape or ())

    fallen, short = trial(env, limp, rows, 110), trial(env, limp, rows, 5)
    env.close()
    assert not fallen.whole.any()
    assert ((fallen.seconds > 0.1) & (fallen.seconds < 1.5)).all()
    assert short.whole.all()
    assert torch.allclose(short.seconds, torch.tensor(5 / 60.0))
    assert 0 < fallen.reward < short.reward <= 1


def test_a_plan_is_made_when_the_last_is_half_carried_out() -> None:
    config = PolicyConfig(widths=(8, 16), step_width=8, encoded=8, inference_steps=2)
    horizon_policy = SkillPolicy(config, PolicySizes(5, 2, 3)).eval()
    asked: list[tuple[torch.Tensor, torch.Tensor]] = []
    plan = torch.arange(8.0).view(1, 8, 1).expand(4, 8, 2)

    def remember(obs: torch.Tensor, skill: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        asked.append((obs, skill))
        return plan + 10 * len(asked)

    horizon_policy.act = remember
    horizon = RecedingHorizon(horizon_policy, seed=0)
    taken = [horizon(torch.full((4, 5), float(step)), torch.full((4, 3), float(step))) for step in range(17)]
    assert [float(one[0, 0]) for one in taken] == [*range(10, 18), *range(20, 28), 30]
    # The first observation stands for the one before it, too; after that the last two count.
    assert [one[0, :, 0].tolist() for one, _ in asked] == [[0, 0], [7, 8], [15, 16]]
    assert [float(skill[0, 0]) for _, skill in asked] == [0, 8, 16]


def test_sizes_that_cannot_be_are_one_line() -> None:
    good = PolicyConfig()
    for wrong in (
        {"executed": 16},
        {"horizon": 18},
        {"widths": (60,)},
        {"inference_steps": 0},
        {"observations": 0},
        {"encoded": 0},
        {"step_width": 2},
        {"components": -1},
    ):
        with pytest.raises(UserError, match=r"policy\."):
            replace(good, **wrong)
    with pytest.raises(UserError, match="learning_rate must not be negative"):
        PolicyTraining(learning_rate=-1.0)
