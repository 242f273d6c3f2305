"""Evaluation of z: retrieval, linear probes, and the forward model, beside what must be beaten."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from hoigym.adapters.uniskill.depth import resized
from hoigym.adapters.uniskill.forward import ForwardConfig, mean_squared_change
from hoigym.adapters.uniskill.model import UniSkill
from hoigym.adapters.uniskill.pairs import PairSet, pair_set
from hoigym.adapters.uniskill.store import RenderStore, StoreError
from hoigym.conditioners.plan import plan_steps
from hoigym.motions.library import MotionLibrary
from hoigym.motions.rotations import heading, heading_inverse, quat_rotate, wrap_angle
from hoigym.motions.skill_set import load_skill_set

NEIGHBOURS = 5


def knn_accuracy(
    gallery: Tensor, gallery_skill: Tensor, queries: Tensor, query_skill: Tensor, standardise: bool
) -> float:
    """Accuracy of the most frequent skill among the five nearest (Euclidean), as the mean over the queries' skills.

    gallery: (G, D) with skills (G,). queries: (Q, D) with skills (Q,). standardise: bring every dimension to the
    gallery's unit deviation first. Of equally frequent skills the one with the nearest pair wins.
    """
    if standardise:
        mean, std = gallery.mean(0), gallery.std(0).clamp_min(1e-6)
        gallery, queries = (gallery - mean) / std, (queries - mean) / std
    nearest = torch.cdist(queries, gallery).topk(min(NEIGHBOURS, len(gallery)), largest=False).indices
    votes = torch.nn.functional.one_hot(gallery_skill[nearest]).float()
    # Less than a vote in all, and each more than all after it: it decides between equals alone.
    bonus = 0.5 ** torch.arange(1, votes.shape[1] + 1, device=votes.device)
    winner = (votes * (1 + bonus)[:, None]).sum(1).argmax(1)
    right = (winner == query_skill).float()
    return float(torch.stack([right[query_skill == skill].mean() for skill in query_skill.unique()]).mean())


# --- What a linear map can read from a representation of a pair: does it hold motion, or looks? ---------------------


_RIDGE = 0.01


def motion_targets(library: MotionLibrary, rows: Tensor) -> dict[str, Tensor]:
    """What happens between two library rows (N, 2), in the heading frame of the first: by name (N, d).

    root_velocity: horizontal mean velocity of the root [m/s]. heading_change [rad]. ball_velocity: mean velocity of
    the ball [m/s]. contact: the share of the time in which a hand holds it.
    """
    first, second = rows.unbind(1)
    now, then = library.reference(first), library.reference(second)
    seconds = (second - first)[:, None] / library.fps
    turn = heading_inverse(now.root_quat)
    held = torch.cat((torch.zeros(1), _contact(library).cumsum(0)))
    return {
        "root_velocity": quat_rotate(turn, then.root_pos - now.root_pos)[:, :2] / seconds,
        "heading_change": wrap_angle(heading(then.root_quat) - heading(now.root_quat))[:, None],
        "ball_velocity": quat_rotate(turn, then.object_pos[:, 0] - now.object_pos[:, 0]) / seconds,
        "contact": ((held[second + 1] - held[first]) / (second - first + 1))[:, None],
    }


def uses_object(library: MotionLibrary, skill: Tensor) -> Tensor:
    """Whether skills (N,) use an object, (N,) bool."""
    without = torch.tensor(load_skill_set(library.skeleton.name).objectless)
    return ~torch.isin(skill, without)


def linear_probe(train: Tensor, train_target: Tensor, test: Tensor, test_target: Tensor) -> float:
    """R2 on test pairs of a ridge regression learned on others: 1 is perfect, 0 as good as the test mean.

    train, test: representations (N, D), (M, D); targets (N, d), (M, d). The mean over the d targets.
    """
    mean, std = train.mean(0), train.std(0).clamp_min(1e-6)
    inputs = (train.double() - mean) / std
    offset = train_target.double().mean(0)
    gram = inputs.T @ inputs + _RIDGE * len(inputs) * torch.eye(inputs.shape[1], dtype=torch.float64)
    weights = torch.linalg.solve(gram, inputs.T @ (train_target.double() - offset))
    predicted = (test.double() - mean) / std @ weights + offset
    wrong = (predicted - test_target).square().sum(0)
    spread = (test_target - test_target.mean(0)).square().sum(0).clamp_min(1e-9)
    return float((1 - wrong / spread).mean())


def _contact(library: MotionLibrary) -> Tensor:
    return library.reference(torch.arange(library.num_frames)).contact[:, 0].float()


# --- What pairs of pictures are turned into, to be compared: z, and what z must be better than ----------------------


Representation = Callable[[PairSet], Tensor]
"""Pairs to vectors (N, D)."""
_BATCH = 128
_SIDE = 32


@torch.no_grad()
def skills(model: UniSkill, pairs: PairSet) -> Tensor:
    """z (N, Z) of pairs."""
    size = model.isd.config.resolution
    chunks = torch.arange(len(pairs)).split(_BATCH)
    return torch.cat([model.skill(_sized(pairs.images[at], size), _sized(pairs.depth[at], size)) for at in chunks])


def colours(pairs: PairSet) -> Tensor:
    """Both pictures at 32 x 32, (N, 6144)."""
    return _sized(pairs.images, _SIDE).flatten(1)


def nearness(pairs: PairSet) -> Tensor:
    """Both disparity maps at 32 x 32, (N, 2048)."""
    return _sized(pairs.depth, _SIDE).flatten(1)


def true_motion(library: MotionLibrary, pairs: PairSet) -> Tensor:
    """What is recorded of both moments, in the heading frame of each: limbs, ball, velocities; and how far the root
    goes between them, (N, D). Standardised over the library.
    """
    steps = plan_steps(library)
    steps = (steps - steps.mean(0)) / steps.std(0).clamp_min(1e-3)
    first, second = pairs.rows.unbind(1)
    now, then = library.reference(first), library.reference(second)
    way = quat_rotate(heading_inverse(now.root_quat), then.root_pos - now.root_pos)
    return torch.cat((steps[first], steps[second], way), dim=1)


def principal(numbers: int, gallery: Tensor) -> Callable[[Tensor], Tensor]:
    """Projection of vectors (N, D) on the first principal components of a gallery, (N, numbers)."""
    mean = gallery.mean(0)
    # Fewer pairs than pixels: the small side is decomposed.
    _, _, directions = torch.linalg.svd(gallery - mean, full_matrices=False)
    kept = directions[:numbers].T
    return lambda vectors: (vectors - mean) @ kept


def _sized(maps: Tensor, size: int) -> Tensor:
    """(N, 2, ..., H, W) at size x size, by means over areas."""
    if maps.shape[-1] == size:
        return maps
    flat = maps.reshape(-1, 1, *maps.shape[-2:])
    return functional.interpolate(flat, (size, size), mode="area").reshape(*maps.shape[:-2], size, size)


# --- Whether the forward model listens to z: its error with the right z and with wrong ones -------------------------


@torch.no_grad()
def forward_errors(model: UniSkill, pairs: PairSet, size: int, mean_skill: Tensor) -> dict[str, float]:
    """Error of the predicted picture over that of copying the current one, over all pairs.

    right: z of the pair. shuffled: z of a pair of another clip and, where there is one, another skill. mean:
    mean_skill (Z,). zero. size: side of the forward model's pictures.
    """
    own = skills(model, pairs)
    candidates = {
        "right": own,
        "shuffled": own[_strangers(pairs)],
        "mean": mean_skill.expand_as(own),
        "zero": torch.zeros_like(own),
    }
    now, following = (resized(pairs.images[:, place], size) for place in (0, 1))
    copying = mean_squared_change(now, following).sum().clamp_min(1e-12)
    return {name: float(_error(model, now, following, z) / copying) for name, z in candidates.items()}


def _error(model: UniSkill, now: Tensor, following: Tensor, skill: Tensor) -> Tensor:
    errors = [
        mean_squared_change(model.predict(now[at], skill[at]), following[at]).sum()
        for at in torch.arange(len(now)).split(_BATCH)
    ]
    return torch.stack(errors).sum()


def _strangers(pairs: PairSet) -> Tensor:
    """For every pair the index of one of another skill, else of another clip, else of any; each time the same."""
    generator = torch.Generator().manual_seed(0)
    draw = torch.rand(len(pairs), len(pairs), generator=generator)
    other_skill = pairs.skill[:, None] != pairs.skill
    other_clip = pairs.clip[:, None] != pairs.clip
    return (draw + 2 * other_skill + other_clip).argmax(1)


# --- Evidence that z says what happens, beside what must be beaten: retrieval, linear probes, and the forward model


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
