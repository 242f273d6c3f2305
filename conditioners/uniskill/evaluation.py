"""Evidence that z says what happens, beside what must be beaten: retrieval, linear probes, and the forward model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from conditioners.uniskill.forward import ForwardConfig
from conditioners.uniskill.model import UniSkill
from conditioners.uniskill.pair_sets import PairSet, pair_set
from conditioners.uniskill.probe import linear_probe, motion_targets, uses_object
from conditioners.uniskill.representations import Representation, colours, nearness, principal, skills, true_motion
from conditioners.uniskill.retrieval import knn_accuracy
from conditioners.uniskill.store import RenderStore, StoreError
from conditioners.uniskill.usefulness import forward_errors
from motions.library import MotionLibrary

GALLERY = "A"
"""Look of the pairs that queries are compared with, and that probes are learned from."""
QUERIES = {
    "A": "same embodiment",
    "A-random": "same embodiment, random colours",
    "C": "unseen embodiment",
    "C-random": "unseen embodiment, random colours",
    "C/1": "unseen embodiment, camera moved",
    "A-side": "unseen camera",
}
"""Looks of the held-out pairs."""
COMPONENTS = 32
"""Principal components that are kept of pictures."""
_OF_A_SKILL = 80
_EVERY = 2


@dataclass(frozen=True)
class Trained:
    """Both models of a run, and the side of the forward model's pictures."""

    model: UniSkill
    size: int


@dataclass
class Row:
    """One representation. Every list has one value for each seed.

    accuracy, accuracy_whole: by look; of all skills, and of those that hold out whole clips. accuracy_matched: by
    look; with the same held-out pairs in look A as the gallery. probe: R2 by target and look. forward: error relative
    to copying by look and kind of z.
    """

    name: str
    accuracy: dict[str, list[float]] = field(default_factory=dict)
    accuracy_whole: dict[str, list[float]] = field(default_factory=dict)
    accuracy_matched: dict[str, list[float]] = field(default_factory=dict)
    probe: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    forward: dict[str, dict[str, list[float]]] = field(default_factory=dict)


@dataclass(frozen=True)
class UniSkillReport:
    """rows, and what they rest on. chance: accuracy of guessing; pairs: by look; gap [s]."""

    rows: tuple[Row, ...]
    gap: float
    skills: tuple[int, ...]
    whole_skills: tuple[int, ...]
    clips: int
    held_out_clips: int
    gallery_pairs: int
    pairs: dict[str, int]


def evaluate(
    store: RenderStore,
    library: MotionLibrary,
    models: Mapping[str, Sequence[Trained]],
    gap: float = 0.5,
    progress: Callable[[str, int, int], None] = lambda name, done, of: None,
) -> UniSkillReport:
    """The report on named models, one for each seed; the first name's also untrained.

    Raises StoreError where the store is not of the library or lacks a look.
    """
    if store.facts.library_hash != library.content_hash:
        raise StoreError(f"{store.folder}: was rendered from other clips than these")
    train = pair_set(store, GALLERY, "train", gap, _EVERY)
    tests = {look: pair_set(store, look, "held_out", gap, _EVERY) for look in QUERIES}
    judge = _Judge(library, train, train.balanced(_OF_A_SKILL), tests)
    first = next(iter(models.values()))
    makers: dict[str, list[Callable[[], tuple[Representation, Trained | None]]]] = {
        "true motion (ceiling)": [lambda: (lambda pairs: true_motion(library, pairs), None)],
        "raw RGB, PCA 32": [lambda: (_projected(colours, judge.gallery), None)],
        "raw disparity, PCA 32": [lambda: (_projected(nearness, judge.gallery), None)],
        "ISD, untrained": [
            lambda seed=seed: (_of_model(_untrained(first[0].model, seed)), None) for seed in range(len(first))
        ],
        **{name: [lambda one=one: (_of_model(one.model), one) for one in some] for name, some in models.items()},
    }
    rows = []
    for name, seeds in makers.items():
        row = Row(name)
        for seed, make in enumerate(seeds):
            progress(name, seed, len(seeds))
            judge.judge(row, *make())
        rows.append(row)
    test = tests[GALLERY]
    return UniSkillReport(
        rows=tuple(rows),
        gap=gap,
        skills=tuple(sorted(set(test.skill.tolist()))),
        whole_skills=tuple(sorted(set(test.skill[test.whole].tolist()))),
        clips=library.num_clips,
        held_out_clips=len(test.clip[test.whole].unique()),
        gallery_pairs=len(judge.gallery),
        pairs={look: len(pairs) for look, pairs in tests.items()},
    )


class _Judge:
    """Puts the numbers of one representation into its row."""

    def __init__(self, library: MotionLibrary, train: PairSet, gallery: PairSet, tests: dict[str, PairSet]) -> None:
        self.gallery = gallery
        self._library, self._train, self._tests = library, train, tests

    def judge(self, row: Row, represent: Representation, trained: Trained | None) -> None:
        of_gallery, of_train = represent(self.gallery), represent(self._train)
        known, of_known = self._tests[GALLERY], represent(self._tests[GALLERY])
        for look, pairs in self._tests.items():
            vectors = represent(pairs)
            few = vectors.shape[1] < COMPONENTS
            self._retrieve(row, look, of_gallery, vectors, pairs, standardise=few)
            matched = knn_accuracy(of_known, known.skill, vectors, pairs.skill, standardise=few)
            row.accuracy_matched.setdefault(look, []).append(matched)
            self._probe(row, look, of_train, vectors, pairs)
            if trained is not None:
                errors = forward_errors(trained.model, pairs, trained.size, of_train.mean(0))
                for name, value in errors.items():
                    row.forward.setdefault(look, {}).setdefault(name, []).append(value)

    def _retrieve(
        self, row: Row, look: str, gallery: Tensor, vectors: Tensor, pairs: PairSet, standardise: bool
    ) -> None:
        accuracy = knn_accuracy(gallery, self.gallery.skill, vectors, pairs.skill, standardise)
        row.accuracy.setdefault(look, []).append(accuracy)
        if not pairs.whole.any():
            return
        inside = torch.isin(self.gallery.skill, pairs.skill[pairs.whole])
        of_whole = knn_accuracy(
            gallery[inside], self.gallery.skill[inside], vectors[pairs.whole], pairs.skill[pairs.whole], standardise
        )
        row.accuracy_whole.setdefault(look, []).append(of_whole)

    def _probe(self, row: Row, look: str, of_train: Tensor, vectors: Tensor, pairs: PairSet) -> None:
        learned = motion_targets(self._library, self._train.rows)
        wanted = motion_targets(self._library, pairs.rows)
        for name in learned:
            with_ball = name in ("ball_velocity", "contact")
            here = uses_object(self._library, self._train.skill) if with_ball else slice(None)
            there = uses_object(self._library, pairs.skill) if with_ball else slice(None)
            score = linear_probe(of_train[here], learned[name][here], vectors[there], wanted[name][there])
            row.probe.setdefault(name, {}).setdefault(look, []).append(score)


def _projected(pixels: Representation, gallery: PairSet) -> Representation:
    project = principal(COMPONENTS, pixels(gallery))
    return lambda pairs: project(pixels(pairs))


def _of_model(model: UniSkill) -> Representation:
    return lambda pairs: skills(model, pairs)


def _untrained(like: UniSkill, seed: int) -> UniSkill:
    torch.manual_seed(seed)
    return UniSkill(like.isd.config, ForwardConfig("regression", channels=8)).eval().requires_grad_(False)
