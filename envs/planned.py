"""Conditions that a model predicts while it watches: for play, and for a few rows."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from conditioners.base import ConditionQuery, SkillConditioner
from conditioners.plan import KNOTS, knots
from conditioners.uva.planner import PICTURE_RATE, PICTURES, Planner
from envs.drawing.camera import FollowCamera
from envs.drawing.film import following_camera, untouched
from envs.drawing.look import looks_of
from envs.drawing.pose import Pose
from envs.drawing.small import SmallRenderer
from envs.drawing.static_camera import CameraChoice
from envs.scene.scene import Scene
from envs.sim.base import SimState

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
