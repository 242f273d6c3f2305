"""The shipped inverse and forward dynamics, on films of clips that they were not trained on."""

from pathlib import Path

import pytest

from hoigym.adapters.uniskill.config import UniSkillConfig
from hoigym.adapters.uniskill.evaluation import forward_errors, knn_accuracy, skills
from hoigym.adapters.uniskill.films import clip_subjects, fill
from hoigym.adapters.uniskill.pairs import pair_set
from hoigym.adapters.uniskill.pretrained import load_uniskill, run_config
from hoigym.adapters.uniskill.store import RenderStore, StoreFacts
from hoigym.motions.clip import Clip
from hoigym.rendering.film import Look

MINI = Path(__file__).parents[2] / "models" / "uniskill_mini"


@pytest.mark.slow
def test_z_tells_the_forward_model_what_comes_and_is_one_for_two_embodiments(
    tmp_path: Path, demo_clips: dict[str, Clip]
):
    clips = [demo_clips[name] for name in ("000_demo_getup_5", "010_demo_walk_1", "014_demo_dribble_spot_2")]
    store = RenderStore.open_or_create(tmp_path, StoreFacts(size=64, stride=4))
    fill(store, list(clip_subjects(clips)), [Look.parse("A-random"), Look.parse("C")], 1, seed=0)
    model, size = load_uniskill(MINI), run_config(MINI, UniSkillConfig).forward.resolution
    known, strange = (pair_set(store, look, "all", gap=0.5, every=1) for look in ("A-random", "C"))
    for pairs in (known, strange):
        errors = forward_errors(model, pairs, size, skills(model, pairs).mean(0))
        assert errors["right"] < 0.8
        assert errors["shuffled"] > 1.25 * errors["right"]
    accuracy = knn_accuracy(skills(model, known), known.skill, skills(model, strange), strange.skill, standardise=True)
    assert accuracy > 0.7
