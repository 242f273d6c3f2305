import pytest
import torch

from hoigym.conditioners.base import ConditionConfig, ConditionQuery, SkillConditioner
from hoigym.conditioners.registry import ConditionContext, make_conditioner
from hoigym.conditioners.table import (
    ConditionTable,
    PromptConditioner,
    TableConditioner,
    TableError,
    clip_means,
    label_phase,
    load_table,
    save_table,
    shuffle_clips,
)
from hoigym.core.errors import UserError
from hoigym.motions.demo import CLIP_DIR
from hoigym.motions.formats import load_clips
from hoigym.motions.library import MotionLibrary
from hoigym.sim.base import SimState
from hoigym.sim.scene.config import SceneConfig
from hoigym.sim.scene.scene import build_scene


@pytest.fixture(scope="module")
def library() -> MotionLibrary:
    """Get up (skill 0), then walk (10)."""
    clips = [clip for clip in load_clips(CLIP_DIR) if clip.skill in (0, 10)]
    return MotionLibrary(sorted(clips, key=lambda clip: clip.skill))


def frames_as_values(library: MotionLibrary, variants: int = 1) -> torch.Tensor:
    """(V, F, 2): the frame, and the variant."""
    frame = torch.arange(float(library.num_frames)).expand(variants, -1)
    variant = torch.arange(float(variants))[:, None].expand(-1, library.num_frames)
    return torch.stack([frame, variant], dim=2)


def query(skill: int, frame: int, step: int = 0, variant: int = 0) -> ConditionQuery:
    return ConditionQuery(*(torch.tensor([value]) for value in (skill, frame, step, variant, 0)))


def conditioner_of(config: ConditionConfig, library: MotionLibrary) -> SkillConditioner:
    """At 60 control steps a second, in a scene without objects."""
    scene = build_scene(SceneConfig(objects=()))
    state = SimState.allocate(1, scene, library.device)
    return make_conditioner(ConditionContext(config, library, scene, state, 60, 0))


def test_a_row_that_follows_its_clip_gets_the_vector_of_its_frame(library):
    conditioner = TableConditioner(frames_as_values(library, variants=3), library)
    assert (conditioner.width, conditioner.variants) == (2, 3)
    walk = int(library.clip_start[1])
    assert conditioner(query(10, walk + 7, variant=2)).tolist() == [[walk + 7.0, 2.0]]


def test_a_row_with_another_skill_goes_through_a_clip_of_that_skill_again_and_again(library):
    conditioner = TableConditioner(frames_as_values(library), library)
    walk, length = int(library.clip_start[1]), int(library.clip_length[1])
    assert conditioner(query(10, frame=3, step=5)).tolist() == [[walk + 5.0, 0.0]]
    assert conditioner(query(10, frame=3, step=length + 5)).tolist() == [[walk + 5.0, 0.0]]


@pytest.mark.parametrize("skill", [5, 13])
def test_a_skill_that_no_clip_has_is_an_error(library, skill):
    with pytest.raises(IndexError):
        TableConditioner(frames_as_values(library), library)(query(skill, 0))


def test_a_prompt_goes_at_its_own_rate_and_stays_at_its_end():
    values = torch.arange(10.0).view(1, 10, 1)
    prompt = PromptConditioner(values, frames_per_step=0.5)
    assert [prompt(query(0, 99, step)).item() for step in (0, 1, 2, 9, 17, 18, 500)] == [0, 0, 1, 4, 8, 9, 9]


def test_clip_means_keep_the_clip_and_lose_the_frame(library):
    means = clip_means(frames_as_values(library), library)
    first = int(library.clip_length[0])
    assert means[0, :first, 0].unique().tolist() == [(first - 1) / 2]
    assert means[0, first:, 0].unique().tolist() == [(first + library.num_frames - 1) / 2]


def test_shuffled_frames_come_from_a_clip_of_another_skill_in_order(library):
    shuffled = shuffle_clips(frames_as_values(library), library, seed=0)[0, :, 0].long()
    skill = library.clip_skill[library.frame_clip]
    assert bool((skill[shuffled] != skill).all())
    first = int(library.clip_length[0])
    assert bool((shuffled[:first].diff() >= 0).all())
    assert shuffled[0] == first
    assert shuffled[first] == 0


def test_label_phase_is_the_label_and_how_much_of_the_clip_is_over(library):
    values = label_phase(library)[0]
    walk, length = int(library.clip_start[1]), int(library.clip_length[1])
    assert values[walk : walk + length, :64].argmax(1).unique().tolist() == [10]
    assert values[walk, 64] == 0.0
    assert values[walk + length - 1, 64] == 1.0


def test_a_table_survives_the_file(tmp_path, library):
    table = ConditionTable(torch.randn(2, 5, 3).half().float(), 30.0, "abc", {"k": "0.5"})
    save_table(table, tmp_path / "new" / "z.npz")
    loaded = load_table(tmp_path / "new" / "z.npz")
    assert torch.equal(loaded.values, table.values)
    assert (loaded.fps, loaded.library_hash, loaded.meta) == (30.0, "abc", {"k": "0.5"})


def test_numbers_that_are_not_finite_are_not_written(tmp_path):
    with pytest.raises(TableError, match="not finite"):
        save_table(ConditionTable(torch.full((1, 1, 1), 1e9), 30.0), tmp_path / "z.npz")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"not a table", b"PK\x03\x04 broken"])
def test_a_bad_file_is_one_clear_line(tmp_path, content):
    path = tmp_path / "z.npz"
    path.write_bytes(content)
    with pytest.raises(TableError, match="not a table of conditions"):
        load_table(path)


def test_a_table_is_standardised_and_its_prompt_with_it(tmp_path, library):
    values = 3.0 + 2.0 * torch.randn(1, library.num_frames, 4, generator=torch.Generator().manual_seed(0))
    save_table(ConditionTable(values, library.fps, library.content_hash), tmp_path / "z.npz")
    config = ConditionConfig(kind="table", file=str(tmp_path / "z.npz"))
    conditioner = conditioner_of(config, library)
    rows = torch.arange(library.num_frames)
    skill = library.clip_skill[library.frame_clip]
    standard = conditioner(ConditionQuery(skill, rows, *(torch.zeros_like(rows) for _ in range(3))))
    assert standard.mean().abs() < 0.01
    assert abs(standard.std() - 1.0) < 0.01
    save_table(ConditionTable(values[:, :1], 30.0), tmp_path / "prompt.npz")
    prompted = conditioner_of(
        ConditionConfig(kind="table", file=config.file, prompt=str(tmp_path / "prompt.npz")), library
    )
    assert torch.allclose(prompted(query(0, 9)), standard[:1], atol=1e-5)
    assert torch.equal(prompted(query(0, 9)), prompted(query(0, 50)))


def test_a_prompt_of_other_clips_cannot_be_spoilt(tmp_path, library):
    save_table(ConditionTable(torch.randn(1, library.num_frames, 4), 60.0, library.content_hash), tmp_path / "z.npz")
    save_table(ConditionTable(torch.randn(1, 9, 4), 30.0), tmp_path / "prompt.npz")
    config = ConditionConfig(kind="shuffled", file=str(tmp_path / "z.npz"), prompt=str(tmp_path / "prompt.npz"))
    with pytest.raises(TableError, match=r"of other clips, of which condition\.kind shuffled makes nothing"):
        conditioner_of(config, library)


def test_predicted_conditions_of_the_same_clips_go_frame_by_frame(tmp_path, library):
    values = torch.randn(1, library.num_frames, 4, generator=torch.Generator().manual_seed(0)).half().float()
    for name, shown in (("true", values), ("predicted", values + 1.0)):
        save_table(ConditionTable(shown, library.fps, library.content_hash), tmp_path / name)
    true, predicted = str(tmp_path / "true"), str(tmp_path / "predicted")
    conditioner = conditioner_of(ConditionConfig(kind="table", file=true, prompt=predicted), library)
    frame = int(library.clip_start[1]) + 4
    wanted = (values[0, frame] + 1.0 - values[0].mean(0)) / values[0].std(0, correction=0)
    assert torch.allclose(conditioner(query(10, frame))[0], wanted.clamp(-5, 5), atol=2e-3)


@pytest.mark.parametrize("other", [{"model": "m2"}, {"gap": "1"}])
def test_a_prompt_that_was_made_in_another_way_is_refused(tmp_path, library, other):
    made = {"model": "m1", "gap": "0.5"}
    save_table(ConditionTable(torch.randn(1, library.num_frames, 4), 60.0, library.content_hash, made), tmp_path / "z")
    config = ConditionConfig(kind="table", file=str(tmp_path / "z"), prompt=str(tmp_path / "prompt"))
    save_table(ConditionTable(torch.randn(1, 9, 4), 30.0, meta={**made, **other}), tmp_path / "prompt")
    (what, value) = next(iter(other.items()))
    with pytest.raises(TableError, match=f"prompt: made with {what} {value}, but the policy's conditions with {what}"):
        conditioner_of(config, library)
    for fits in ({**made, "depth": "network"}, {}):
        save_table(ConditionTable(torch.randn(1, 9, 4), 30.0, meta=fits), tmp_path / "prompt")
        assert conditioner_of(config, library).width == 4


@pytest.mark.parametrize(("kind", "width"), [("label", 64), ("label_phase", 65), ("zero", 4), ("clip_mean", 4)])
def test_every_kind_has_its_width(tmp_path, library, kind, width):
    file = ""
    if kind in ("zero", "clip_mean"):
        file = str(tmp_path / "z.npz")
        save_table(
            ConditionTable(torch.randn(3, library.num_frames, 4), library.fps, library.content_hash), tmp_path / "z.npz"
        )
    conditioner = conditioner_of(ConditionConfig(kind=kind, file=file), library)
    values = conditioner(query(10, int(library.clip_start[1])))
    assert values.shape == (1, width) == (1, conditioner.width)
    assert (kind == "zero") == (not values.any())


def test_a_table_of_other_clips_is_refused(tmp_path, library):
    save_table(ConditionTable(torch.randn(1, library.num_frames, 4), library.fps, "other"), tmp_path / "z.npz")
    with pytest.raises(TableError, match="made for other clips"):
        conditioner_of(ConditionConfig(kind="table", file=str(tmp_path / "z.npz")), library)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"kind": "table"}, "kind table needs condition.file"),
        ({"kind": "label", "file": "z.npz"}, "kind label takes no condition.file"),
        ({"kind": "label", "hold": -1.0}, "condition.hold must not be negative"),
        ({"kind": "uva", "planner": "p"}, "kind uva needs condition.file"),
        ({"kind": "uva", "file": "z.npz"}, "kind uva needs condition.planner, a UVA model"),
        ({"kind": "uva", "file": "z.npz", "planner": "p", "prompt": "q"}, "kind uva takes no condition.prompt"),
        # No other kind would ask it.
        ({"kind": "zero", "file": "z.npz", "planner": "p"}, "condition.planner is for condition.kind uva, not zero"),
        ({"kind": "label", "sentences": "s"}, "condition.sentences is for a condition.planner that reads text"),
    ],
)
def test_an_impossible_configuration_is_one_clear_line(values, said):
    with pytest.raises(UserError, match=said):
        ConditionConfig(**values)
