"""An expert for PushT that plans straight pushes with the simulator."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from conditioners.uva.pusht.model import STRIDE, PushModel
from conditioners.uva.pusht.route import find_route, next_target
from conditioners.uva.pusht.tee import distance_to_goal, push_spots, to_world, turn

Array = NDArray[np.float64]

RUN_UP = 8.0
"""Pixels between the agent and the block where a push begins."""
LONGEST_PUSH = 200.0
TRAVEL_STEP, PUSH_STEP = 28.0, 14.0
"""Pixels of a control step, on the way and while pushing."""
LEAD = 2.0
"""The agent's controller (k_p 100, k_v 20) runs 0.2 s behind its target: two control steps."""
# A control step costs as much as a distance to the goal that is this share larger.
_STEP_COST = 0.04
_CLOSE_ENOUGH = 1.0
_ARRIVED, _MOVED = 6.0, 1.0
_TURNS = (0.0, -0.05, 0.05, -0.12, 0.12, -0.25, 0.25)
_LOW, _HIGH = 2.0, 510.0


class Push(NamedTuple):
    """A straight push: where the agent starts and ends (2,), and what it leaves to do (lower is better)."""

    start: Array
    end: Array
    score: float


class PushTExpert:
    """Gives the agent's target for every state of one episode.

    It looks at a fixed list of pushes, asks the simulator how far each would bring the block, weighs the distance to
    the goal that is left against the control steps it takes, and carries out the best one: round the block to its
    start, then along it, aiming anew at every step. No random number is drawn.
    """

    def __init__(self) -> None:
        self._model = PushModel()
        self._centres, self._directions = push_spots()
        self.reset()

    def reset(self) -> None:
        """Forget the push in progress: a new episode begins."""
        self._push: Push | None = None
        self._pushing = False
        self._planned_at = np.zeros(3)

    def act(self, state: Array) -> Array:
        """The next target of the agent [pixels], (2,). state: (5,) agent x, y, block x, y, angle."""
        agent, pose = state[:2], state[2:]
        if self._pushing:
            self._push = self._aim(agent, pose)
            if self._push is not None:
                return self._towards(agent, self._push.end, PUSH_STEP)
            self._pushing = False
        if self._push is None or np.abs(pose - self._planned_at)[:2].max() > _MOVED:
            self._push, self._planned_at = self._plan(agent, pose), pose
        if self._push is None:
            return np.clip(agent, _LOW, _HIGH)
        if np.linalg.norm(self._push.start - agent) < _ARRIVED:
            self._pushing = True
            return self._towards(agent, self._push.end, PUSH_STEP)
        route = find_route(pose, agent, self._push.start)
        if route is None:
            self._push = None
            return agent
        return np.clip(next_target(pose, agent, route[0], LEAD * TRAVEL_STEP), _LOW, _HIGH)

    def _plan(self, agent: Array, pose: Array) -> Push | None:
        """The best of all pushes."""
        starts = to_world(pose, self._centres - RUN_UP * self._directions)
        directions = turn(pose, self._directions)
        inside = ((starts > _LOW) & (starts < _HIGH)).all(axis=1)
        found = [self._score(pose, start, way) for start, way in zip(starts[inside], directions[inside], strict=True)]
        hopes = [push.score + _STEP_COST * float(np.linalg.norm(agent - push.start)) / TRAVEL_STEP for push in found]
        best: Push | None = None
        for index in np.argsort(hopes, kind="stable"):
            if best is not None and hopes[index] >= best.score:
                break
            route = find_route(pose, agent, found[index].start)
            if route is None:
                continue
            score = found[index].score + _STEP_COST * route[1] / TRAVEL_STEP
            if best is None or score < best.score:
                best = found[index]._replace(score=score)
        return best

    def _aim(self, agent: Array, pose: Array) -> Push | None:
        """The push in progress from where the agent is now, turned a little if that is better; None where it is over."""
        assert self._push is not None
        way = self._push.end - agent
        reach = float(np.linalg.norm(way))
        if reach < STRIDE:
            return None
        way = way / reach
        best = None
        for angle in _TURNS:
            turned = turn(np.array([0.0, 0.0, angle]), way)
            push = self._score(pose, agent, turned, reach + 20.0)
            if best is None or push.score < best.score - 1e-6:
                best = push
        assert best is not None
        return best if np.linalg.norm(best.end - agent) >= STRIDE else None

    def _score(self, pose: Array, start: Array, way: Array, length: float = LONGEST_PUSH) -> Push:
        """The best end of a push along one line."""
        poses = self._model.push(pose, start, way, length)
        travel = STRIDE * np.arange(len(poses))
        scores = np.log(np.maximum(distance_to_goal(poses), _CLOSE_ENOUGH)) + _STEP_COST * travel / PUSH_STEP
        ends = start + travel[:, None] * way
        scores[((ends < _LOW) | (ends > _HIGH)).any(axis=1)] = np.inf
        best = int(np.argmin(scores))
        return Push(start, ends[best], float(scores[best]))

    @staticmethod
    def _towards(agent: Array, end: Array, step: float) -> Array:
        way = end - agent
        return agent + way * min(1.0, LEAD * step / max(float(np.linalg.norm(way)), 1e-9))
