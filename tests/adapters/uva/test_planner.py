"""A UVA model whose actions are plans, and the commands around it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hoigym.adapters.uniskill.store import Rendering, RenderStore, StoreFacts
from hoigym.adapters.uva.conditioner import Planner, load_planner
from hoigym.adapters.uva.config import AutoencoderConfig, HeadConfig, InputsConfig, TrunkConfig, UVAConfig, UVAError
from hoigym.adapters.uva.policy import UVAPolicy
from hoigym.adapters.uva.pretrained import save_pretrained
from hoigym.adapters.uva.text import save_sentences
from hoigym.commands.uva_plan import CollectConfig, TableConfig, collect, table
from hoigym.conditioners.plan import knots, plan_steps, plan_width, plans
from hoigym.conditioners.registry import standardised
from hoigym.conditioners.table import load_table
from hoigym.core.errors import UserError
from hoigym.envs.make import make_env, task_config
from hoigym.motions.demo import CLIP_DIR
from hoigym.motions.formats import load_clips
from hoigym.motions.library import MotionLibrary

SIZE, STRIDE = 32, 2


@pytest.fixture(scope="module")
def library() -> MotionLibrary:
    return MotionLibrary(load_clips(CLIP_DIR))


@pytest.fixture(scope="module")
def policy(library: MotionLibrary) -> UVAPolicy:
    """A model of random weights whose actions are plans."""
    torch.manual_seed(0)
    width = plan_width(library)
    made = UVAPolicy(
        UVAConfig(
            image_size=SIZE * 2,
            autoencoder=AutoencoderConfig(kind="patch", channels=8),
            trunk=TrunkConfig(16, 1, 2, 1, 2, 0.0),
            video_head=HeadConfig(16, 1, 2),
            action_head=HeadConfig(16, 1, 2),
            inputs=InputsConfig(action_dim=width),
        )
    )
    made.normalizer.set_identity("action", width)
    return made.eval()


@pytest.fixture
def store(tmp_path: Path, library: MotionLibrary) -> Path:
    """Films of noise, one of each clip."""
    rng = np.random.default_rng(0)
    made = RenderStore.open_or_create(tmp_path / "films", StoreFacts(SIZE, STRIDE, library.content_hash))
    for clip, (start, length) in enumerate(zip(library.clip_start.tolist(), library.clip_length.tolist(), strict=True)):
        count = -(-length // STRIDE)
        facts = Rendering(
            str(clip),
            library.clip_names[clip],
            0,
            library.fps / STRIDE,
            count,
            start,
            length,
            "A",
            "own",
            "usual",
            0,
            0,
        )
        pictures = rng.integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)
        made.add(facts, pictures, np.ones((count, SIZE, SIZE), dtype=np.float32))
    return made.folder


class Brightness:
    """A policy whose actions are how bright the pictures are that it looks at, with the noise of a draw."""

    def __init__(self, config: UVAConfig) -> None:
        self.config = config

    def eval(self) -> "Brightness":
        return self

    def predict_action(self, obs: dict[str, torch.Tensor], generator: torch.Generator) -> dict[str, torch.Tensor]:
        seen = obs["image"][:, (3, 7, 11, 15)].mean((2, 3, 4))
        noise = torch.randn(len(seen), 1, generator=generator)
        return {"action_pred": (seen + noise)[:, :, None].expand(-1, -1, 2)}


def test_a_plan_is_the_mean_of_draws_from_the_latest_pictures(policy: UVAPolicy):
    shade = torch.tensor([[0, 51, 102, 255], [255, 0, 0, 51]], dtype=torch.uint8)
    pictures = shade[:, :, None, None, None].expand(-1, -1, SIZE, SIZE, 3)
    planner = Planner(Brightness(policy.config), seed=1)  # pyright: ignore[reportArgumentType]
    plan = planner.plan(pictures, torch.tensor([0, 0]))
    noise = torch.randn(16, 1, generator=torch.Generator().manual_seed(1)).view(8, 2).mean(0)
    wanted = shade / 255 + noise[:, None]
    assert torch.allclose(plan, wanted[:, :, None].expand(-1, -1, 2), atol=1e-5)


def altered(policy: UVAPolicy, **inputs: Any) -> UVAPolicy:
    """A model of random weights with other inputs."""
    torch.manual_seed(0)
    made = UVAPolicy(replace(policy.config, inputs=replace(policy.config.inputs, **inputs)))
    made.normalizer.set_identity("action", made.config.inputs.action_dim)
    return made


def test_a_planner_of_other_clips_is_one_clear_line(tmp_path: Path, library: MotionLibrary, policy: UVAPolicy):
    save_pretrained(altered(policy, action_dim=31), tmp_path / "planner")
    with pytest.raises(UVAError, match=r"predicts 31 numbers a step; a plan of these clips has 37"):
        load_planner(tmp_path / "planner", library)


class Reader(Brightness):
    """A policy whose actions are the first number of what it reads."""

    def predict_action(self, obs: dict[str, torch.Tensor], generator: torch.Generator) -> dict[str, torch.Tensor]:
        return {"action_pred": obs["text"][:, None, :1].expand(-1, 16, 2)}


def test_a_planner_that_reads_is_told_the_skill(policy: UVAPolicy):
    texts = {1: torch.full((512,), 0.25), 14: torch.full((512,), 0.75)}
    planner = Planner(Reader(policy.config), texts=texts)  # pyright: ignore[reportArgumentType]
    plan = planner.plan(torch.zeros(3, 4, SIZE, SIZE, 3, dtype=torch.uint8), torch.tensor([14, 1, 14]))
    assert plan[:, 0, 0].tolist() == [0.75, 0.25, 0.75]


def test_a_planner_that_reads_gets_the_names_of_the_skills(tmp_path: Path, library: MotionLibrary, policy: UVAPolicy):
    save_pretrained(altered(policy, text=True), tmp_path / "reader")
    save_pretrained(policy, tmp_path / "deaf")
    names = ["get up", "pick up", "walk or run", "dribble forward", "dribble on the spot"]
    save_sentences(tmp_path / "names.safetensors", names, torch.randn(5, 512))
    save_sentences(tmp_path / "few.safetensors", names[:3], torch.randn(3, 512))
    sentences = str(tmp_path / "names.safetensors")
    planner = load_planner(tmp_path / "reader", library, sentences)
    nothing = torch.zeros(2, 4, SIZE * 2, SIZE * 2, 3, dtype=torch.uint8)
    plan = planner.plan(nothing, torch.tensor([0, 14]))
    assert plan.shape == (2, 16, plan_width(library))
    for folder, given, wrong in (
        ("reader", "", "reads text: it needs sentences"),
        ("deaf", sentences, "reads no text: leave out sentences"),
        ("reader", str(tmp_path / "few.safetensors"), "has no sentence 'dribble forward'"),
    ):
        with pytest.raises(UVAError, match=wrong):
            load_planner(tmp_path / folder, library, given)


def test_collected_actions_are_the_steps_that_follow_the_pictures(tmp_path: Path, library: MotionLibrary, store: Path):
    from hoigym.adapters.uva.replay_buffer import read_replay

    collect(CollectConfig(store, tmp_path / "plans.zarr", CLIP_DIR))
    buffer = read_replay(tmp_path / "plans.zarr")
    steps, first = plan_steps(library).numpy(), buffer.episode(1)
    start = int(library.clip_start[1])
    assert len(buffer.episode_ends) == library.num_clips
    assert buffer.texts[:2] == ("walk or run", "dribble on the spot")
    assert np.array_equal(first["action"][5], steps[start + 12])
    assert np.array_equal(first["action"][-1], steps[start + int(library.clip_length[1]) - 1])
    with pytest.raises(UserError, match="exists already"):
        collect(CollectConfig(store, tmp_path / "plans.zarr", CLIP_DIR))


def test_films_of_other_clips_are_refused(tmp_path: Path, store: Path):
    clip = next(CLIP_DIR.glob("*.npz"))
    with pytest.raises(UserError, match="films of other clips"):
        collect(CollectConfig(store, tmp_path / "plans.zarr", clip))


def test_a_table_holds_the_true_plans_or_those_that_a_planner_sees(
    tmp_path: Path, library: MotionLibrary, store: Path, policy: UVAPolicy, capsys: pytest.CaptureFixture[str]
):
    table(TableConfig(CLIP_DIR, tmp_path / "true.npz"))
    true = load_table(tmp_path / "true.npz")
    assert true.library_hash == library.content_hash
    assert torch.allclose(true.values[0], knots(plans(library)), atol=0.02)
    save_pretrained(policy, tmp_path / "planner")
    table(TableConfig(CLIP_DIR, tmp_path / "seen.npz", str(tmp_path / "planner"), str(store)))
    seen = load_table(tmp_path / "seen.npz")
    assert seen.values.shape == true.values.shape
    # A picture shows every other frame; the frame between has the same plan.
    assert torch.equal(seen.values[0, 0], seen.values[0, 1])
    assert not torch.equal(seen.values[0, 1], seen.values[0, 2])
    assert "mean plan 1.0" in capsys.readouterr().out
    with pytest.raises(UserError, match="give --planner and --store"):
        table(TableConfig(CLIP_DIR, tmp_path / "half.npz", planner="somewhere"))
    with pytest.raises(UserError, match="--sentences is for a --planner"):
        table(TableConfig(CLIP_DIR, tmp_path / "half.npz", sentences="somewhere"))


@pytest.mark.slow
def test_ball_players_are_told_what_the_planner_says(tmp_path: Path, policy: UVAPolicy):
    save_pretrained(policy, tmp_path / "planner")
    table(TableConfig(CLIP_DIR, tmp_path / "true.npz"))
    trained = load_table(tmp_path / "true.npz").values
    # This model has no eyes yet: its autoencoder makes nothing of pictures, so that its draws alone count.
    planner, nothing = Planner(policy, seed=5), torch.zeros(2, 4, SIZE * 2, SIZE * 2, 3, dtype=torch.uint8)
    skill = torch.zeros(2, dtype=torch.long)
    first, second = (standardised(knots(planner.plan(nothing, skill)), trained) for _ in range(2))
    condition = {"kind": "uva", "file": str(tmp_path / "true.npz"), "planner": str(tmp_path / "planner")}
    env = make_env(
        task_config("ballplay", motion_file=str(CLIP_DIR), num_envs=2, threads=1, seed=5, condition=condition)
    )
    obs = env.reset(seed=0)[0]
    told = [obs[:, -first.shape[1] :]]
    for _ in range(16):
        obs, _, terminated, truncated, _ = env.step(env.reference_actions())
        assert not (terminated | truncated).any()
        told.append(obs[:, -first.shape[1] :])
    env.close()
    assert all(torch.allclose(one, first, atol=1e-5) for one in told[:16])
    assert torch.allclose(told[16], second, atol=1e-5)
