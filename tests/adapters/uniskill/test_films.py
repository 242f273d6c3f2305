"""Films of clips and of rollouts."""

from pathlib import Path

import numpy as np
import pytest
import torch
from gymnasium.spaces import flatdim

from hoigym.adapters.uniskill.films import clip_subjects, fill, rollout_subjects
from hoigym.adapters.uniskill.store import RenderStore, StoreFacts
from hoigym.core.errors import UserError
from hoigym.envs.config import EnvConfig
from hoigym.envs.make import make_env
from hoigym.motions.clip import Clip
from hoigym.motions.library import MotionLibrary
from hoigym.rendering.film import Look

SIZE = 24


def test_films_go_on_where_they_stopped_and_do_not_depend_on_it(tmp_path: Path, demo_clips: dict[str, Clip]):
    clips = [demo_clips["000_demo_getup_5"], demo_clips["014_demo_dribble_spot_2"]]
    library = MotionLibrary(clips)
    subjects = list(clip_subjects(clips))
    facts = StoreFacts(SIZE, stride=40, library_hash=library.content_hash)
    looks = [Look.parse("A"), Look.parse("B-random")]
    store = RenderStore.open_or_create(tmp_path / "whole", facts)
    assert fill(store, subjects, looks, 1, seed=3) == 4
    assert fill(store, subjects, looks, 1, seed=3) == 0
    parts = RenderStore.open_or_create(tmp_path / "parts", facts)
    assert fill(parts, subjects, looks[1:], 1, seed=3) == 2
    assert fill(RenderStore.open(tmp_path / "parts"), subjects, looks, 1, seed=3) == 2
    parts = RenderStore.open(tmp_path / "parts")
    by_name = {one.name: one for one in parts.renderings}
    for one in store.renderings:
        assert by_name[one.name] == one
        np.testing.assert_array_equal(parts.rgb(one), store.rgb(one))
    assert by_name["000_A_0"].camera == by_name["000_B-random_0"].camera
    second = by_name["001_B-random_0"]
    assert (second.clip, second.skill, second.fps) == ("014_demo_dribble_spot_2", 14, 1.5)
    assert second.first_row == int(library.clip_start[1])
    assert second.num_frames == -(-second.num_rows // 40)


def test_variants_and_looks_are_seen_differently(tmp_path: Path, demo_clips: dict[str, Clip]):
    store = RenderStore.open_or_create(tmp_path, StoreFacts(SIZE, stride=100))
    fill(
        store, list(clip_subjects([demo_clips["010_demo_walk_1"]])), [Look.parse("A"), Look.parse("A-side")], 2, seed=0
    )
    pictures = [store.rgb(one).astype(int) for one in store.renderings]
    assert len(pictures) == 4
    for index, one in enumerate(pictures):
        assert all(np.abs(one - other).mean() > 1 for other in pictures[:index])
    places = {one.name: one.camera["azimuth"] for one in store.renderings}
    assert (places["000_A_0"], places["000_A-side_0"]) == (0.0, 90.0)
    assert abs(places["000_A_1"]) < 25.0
    assert 60.0 < places["000_A-side_1"] < 120.0
    # The figure is in the picture: it is nearer than the floor and the sky behind it.
    assert (store.depth(store.renderings[0])[:, :6] > 20).mean() > 0.9


@pytest.mark.parametrize("text", ["D", "A-", "a", "A-side-random", ""])
def test_an_unknown_look_is_one_line(text: str):
    with pytest.raises(UserError, match="expected one of A, B, C"):
        Look.parse(text)


def test_rollouts_are_cut_at_resets(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hoigym.adapters.uniskill.films._SHORTEST", 0.1)
    env = make_env(EnvConfig(num_envs=2))
    subjects = list(rollout_subjects(env, lambda _: torch.zeros(2, flatdim(env.single_action_space)), 60, 60.0))
    env.close()
    # Limp bodies fail several times in a second.
    assert len(subjects) >= 3
    assert len({one.name for one in subjects}) == len(subjects)
    for one in subjects:
        assert len(one.poses) >= 6
        assert one.first_row == -1
        steps = [np.linalg.norm(b.body_pos[0] - a.body_pos[0]) for a, b in zip(one.poses, one.poses[1:], strict=False)]
        assert max(steps) < 0.3
