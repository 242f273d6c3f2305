"""UVA as a conditioner: a model whose actions are plans, which it predicts while it watches."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hoigym.adapters.uva.config import CHUNK, LATENT_FRAMES, UVAError
from hoigym.adapters.uva.policy import UVAPolicy
from hoigym.adapters.uva.pretrained import load_pretrained
from hoigym.conditioners.base import ConditionQuery, SkillConditioner
from hoigym.conditioners.plan import KNOTS, RATE, knots, plan_width
from hoigym.conditioners.registry import ConditionContext, standardised, table_of
from hoigym.conditioners.table import TableError
from hoigym.motions.library import MotionLibrary
from hoigym.motions.skill_set import load_skill_set
from hoigym.rendering.camera import CameraChoice, FollowCamera
from hoigym.rendering.film import SmallRenderer, following_camera, untouched
from hoigym.rendering.pose import Pose, looks_of
from hoigym.sim.base import SimState
from hoigym.sim.scene.scene import Scene

PICTURES = LATENT_FRAMES
"""Pictures that a plan is made from; the last one shows the present."""
PICTURE_RATE = RATE * PICTURES / CHUNK
"""Pictures in a second [Hz]."""
_DRAWS = 8
"""Draws of a plan whose mean is taken: a policy wants the forecast, not one of the possible futures."""


class Planner:
    """Plans out of pictures and, of a model that reads text, of skills.

    policy: its actions are the steps of a plan, D numbers at 30 Hz, from the next one on. texts: the vector (512,) that
    names a skill, by its id; for a model that reads text.
    """

    def __init__(self, policy: UVAPolicy, seed: int = 0, texts: Mapping[int, Tensor] | None = None) -> None:
        self._policy = policy.eval()
        self._generator = torch.Generator().manual_seed(seed)
        self._texts = texts

    @property
    def width(self) -> int:
        """Numbers D in a step."""
        return self._policy.config.inputs.action_dim

    @property
    def picture_size(self) -> int:
        """Pixels a side."""
        return self._policy.config.image_size

    def plan(self, pictures: Tensor, skill: Tensor) -> Tensor:
        """Plans (B, 16, D) of the latest pictures (B, 4, H, W, 3) uint8, 7.5 Hz apart, and the skills (B,) wanted."""
        frames = pictures.permute(0, 1, 4, 2, 3).float() / 255
        # The model looks at every fourth of sixteen observations; those between are never touched.
        history = frames.repeat_interleave(CHUNK // PICTURES, dim=1)
        seen = {"image": history}
        if self._texts is not None:
            seen["text"] = torch.stack([self._texts[one] for one in skill.tolist()])
        repeated = {name: value.repeat(_DRAWS, *[1] * (value.ndim - 1)) for name, value in seen.items()}
        drawn = self._policy.predict_action(repeated, self._generator)
        return drawn["action_pred"].unflatten(0, (_DRAWS, len(pictures))).mean(0)


def load_planner(path: Path, library: MotionLibrary, sentences: str = "", seed: int = 0) -> Planner:
    """The planner in a folder, for the skills of these clips.

    sentences: file of `uva text` with the skills' names, for a model that reads text. Raises UVAError where plans of
    these clips have another number of numbers, and where sentences are missing or not read.
    """
    policy = load_pretrained(path)
    inputs, width = policy.config.inputs, plan_width(library)
    if inputs.action_dim != width:
        raise UVAError(f"{path}: predicts {inputs.action_dim} numbers a step; a plan of these clips has {width}")
    if bool(sentences) != inputs.text:
        wish = "reads text: it needs" if inputs.text else "reads no text: leave out"
        raise UVAError(f"{path}: this planner {wish} sentences, the file of the skills' names")
    return Planner(policy, seed, _texts(library, Path(sentences)) if sentences else None)


def _texts(library: MotionLibrary, sentences: Path) -> dict[int, Tensor]:
    from hoigym.adapters.uva.text import vectors_of

    skills = library.clip_skill.unique().tolist()
    names = [load_skill_set(library.skeleton.name).name_of(skill) for skill in skills]
    return dict(zip(skills, vectors_of(names, sentences), strict=True))


# --- Conditions that a model predicts while it watches: for play, and for a few rows --------------------------------


_PICTURES_A_PLAN = 2
"""Pictures between two plans: a plan is held for a quarter of a second."""


class PlannedConditioner(SkillConditioner):
    """Films every row with a camera that follows it, and plans anew with every second picture and for another skill.

    A row that has just begun is shown to the planner as if it had stood still before, by a camera that begins anew,
    as in the films that planners learn from.
    """

    on_host = True

    def __init__(
        self,
        planner: Planner,
        scene: Scene,
        state: SimState,
        control_dt: float,
        standardise: Callable[[Tensor], Tensor],
    ):
        """standardise: brings knots of plans (..., W) to the scale that the policy knows."""
        rows = len(state.root_pos)
        self.width = len(KNOTS) * planner.width
        self._planner, self._state, self._standardise = planner, state, standardise
        size = planner.picture_size
        self._renderer = SmallRenderer(scene.skeleton, looks_of(scene.config), size, size)
        self._skeleton = scene.skeleton
        self._cameras = [self._new_camera() for _ in range(rows)]
        self._dt = control_dt
        self._every = max(1, round(1.0 / (PICTURE_RATE * control_dt)))
        self._steps = np.zeros(rows, dtype=int)
        self._skill = torch.full((rows,), -1)  # that the plan is for; none where a new plan is due
        self._pictures = torch.zeros(rows, PICTURES, size, size, 3, dtype=torch.uint8)
        self._values = torch.zeros(rows, self.width, device=state.root_pos.device)

    def __call__(self, query: ConditionQuery) -> Tensor:
        row, skill = query.row.cpu(), query.skill.cpu()
        due = self._skill[row] != skill
        if due.any():
            rows, self._skill[row] = row[due], skill
            plan = self._planner.plan(self._pictures[rows], skill[due])
            self._values[rows] = self._standardise(knots(plan)).to(self._values)
        return self._values[query.row]

    def restart(self, row: Tensor, mask: Tensor) -> None:
        for one in row[mask].tolist():
            self._steps[one] = 0
            self._cameras[one] = self._new_camera()
            self._pictures[one] = self._draw(one)
            self._skill[one] = -1

    def look(self) -> None:
        for row in range(len(self._steps)):
            self._steps[row] += 1
            picture = self._draw(row) if self._steps[row] % self._every == 0 else self._follow(row)
            if picture is not None:
                self._pictures[row] = torch.cat([self._pictures[row, 1:], picture[None]])
                if self._steps[row] % (_PICTURES_A_PLAN * self._every) == 0:
                    self._skill[row] = -1

    def close(self) -> None:
        """Frees the OpenGL context."""
        self._renderer.close()

    def _new_camera(self) -> FollowCamera:
        return following_camera(self._skeleton, CameraChoice())

    def _follow(self, row: int) -> None:
        self._cameras[row].follow(Pose.of_state(self._state, row), self._dt)

    def _draw(self, row: int) -> Tensor:
        pose = Pose.of_state(self._state, row)
        view = self._cameras[row].follow(pose, self._dt)
        return torch.from_numpy(self._renderer.draw(untouched(pose), view).copy())


def make_planned(context: ConditionContext) -> PlannedConditioner:
    """The conditioner of condition.kind uva; raises TableError where the policy was not trained with plans."""
    config, library = context.config, context.library
    trained = table_of(config, library).values
    if trained.shape[2] != len(KNOTS) * plan_width(library):
        raise TableError(f"{config.file}: holds no plans, whose place those of condition.planner could take")
    planner = load_planner(Path(config.planner), library, config.sentences, context.seed)
    return PlannedConditioner(
        planner, context.scene, context.state, 1.0 / context.control_hz, lambda plan: standardised(plan, trained)
    )
