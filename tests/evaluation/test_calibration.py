"""The metrics pass what is the skill and nothing else.

The reference itself, replayed without physics, is a success; what does not move, or leaves the ball alone, is not.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hoigym.evaluation.metrics import Metric, load_metrics
from hoigym.evaluation.trials import fair_starts
from hoigym.motions.clip import Clip
from hoigym.motions.demo import CLIP_DIR
from hoigym.motions.formats import load_clips
from tests.evaluation.sources import frozen, glued, replay, starts, verdict

PUBLISHED_FOLDERS = (
    "BallPlay",
    "BallPlay-Pick/10",
    "Locomotion",
    *(
        f"ParaHome/{name}"
        for name in (
            "drink_cup",
            "getup_chair",
            "place_book",
            "place_kettle",
            "place_pan",
            "pour_kettle",
            "pour_kettle_2",
            "pour_kettlecup",
        )
    ),
)
DEMO = load_clips(CLIP_DIR)


def metric_of(clip: Clip) -> Metric:
    return next(metric for metric in load_metrics(clip.skeleton).values() if metric.skill == clip.skill)


def published_clips(shared: Path) -> Iterator[Clip]:
    for folder in PUBLISHED_FOLDERS:
        yield from load_clips(shared / "motions" / folder)


def check(clip: Clip) -> dict[str, float]:
    """Success rates by kind of trial, over all start frames but for the replay."""
    metric = metric_of(clip)
    library, index, frame = starts(clip)
    rates = {"replay": float(replay(clip, metric))}
    for source in (frozen, glued) if metric.has_object else (frozen,):
        outcome = verdict(source(library, index, frame), metric, library)
        rates[source.__name__] = float(outcome.success.float().mean())
    return rates


@pytest.mark.parametrize("clip", DEMO, ids=[clip.name for clip in DEMO])
def test_bundled_clips(clip: Clip):
    rates = check(clip)
    assert rates == {"replay": 1.0, "frozen": 0.0, "glued": 0.0} or rates == {"replay": 1.0, "frozen": 0.0}
    assert ("glued" in rates) == (clip.skill not in (0, 10))


@pytest.mark.slow
def test_published_clips(shared: Path):
    rates = {clip.name: check(clip) for clip in published_clips(shared)}
    assert len(rates) == 36
    assert {name for name, kinds in rates.items() if kinds["replay"] != 1.0} == set()
    assert {name for name, kinds in rates.items() if kinds["frozen"] != 0.0} == set()
    assert {name for name, kinds in rates.items() if kinds.get("glued", 0.0) != 0.0} == set()


@pytest.mark.slow
def test_published_clips_that_fail_the_published_metric(shared: Path):
    failing = {clip.name for clip in published_clips(shared) if not replay(clip, metric_of(clip), "published")}
    assert failing == {
        "000_021pickle_getup_1",
        "000_021pickle_getup_3",
        "001_008pickle_pick_001",
        "003_s10_place_kettle_2580_2680",
    }


@pytest.mark.slow
def test_published_metrics_pass_what_is_no_skill(shared: Path):
    """Why there are corrected ones: photographs and rolling balls that the published metrics call a success."""
    passed: dict[str, set[str]] = {"frozen": set(), "glued": set()}
    for clip in published_clips(shared):
        metric = metric_of(clip)
        library, index, frame = starts(clip)
        for source in (frozen, glued):
            if metric.has_object or source is frozen:
                outcome = verdict(source(library, index, frame), metric, library, "published")
                if outcome.success.any():
                    passed[source.__name__].add(metric.name)
    assert passed["frozen"] == {
        *("getup", "pickup", "shot"),
        *("drink_cup", "getup_chair", "place_book", "place_kettle", "place_pan"),
    }
    assert passed["glued"] == {"dribble_forward", "dribble_left", "dribble_right"}


def test_trials_start_only_where_the_skill_is_still_ahead(demo_clips: dict[str, Clip]):
    clip = demo_clips["001_demo_pickup_4"]
    library, _, _ = starts(clip)
    rows, failing = fair_starts(library, metric_of(clip), "corrected")
    assert failing == []
    last_on_floor = max(frame for frame in range(clip.num_frames) if clip.object_pos[frame, 0, 2] <= 0.3)
    assert rows.min() == 2
    assert rows.max() == last_on_floor
