"""Expert for PushT that plans straight pushes with the simulator."""

import heapq
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hoigym.adapters.pusht.world import (
    AGENT_RADIUS,
    OUTLINE,
    distance_to_goal,
    gym_pusht_env,
    push_spots,
    to_world,
    turn,
)
from hoigym.adapters.uva.config import UVAError

try:
    import shapely
except ModuleNotFoundError:
    raise UVAError("PushT needs the package 'shapely': pip install hoigym[uva]") from None

Array = NDArray[np.float64]

CLEARANCE = 5.0
"""Pixels that the way keeps from the block, beyond the agent's radius."""
_LOW, _HIGH = 1.0, 511.0
_TEE = shapely.Polygon(OUTLINE)
_KEEP_OUT = shapely.simplify(_TEE.buffer(AGENT_RADIUS + CLEARANCE - 1.0), 0.2)
_BODY = _TEE.buffer(AGENT_RADIUS + 1.0)
_CORNERS = shapely.get_coordinates(_TEE.buffer(AGENT_RADIUS + CLEARANCE, join_style="mitre"))[:-1]


def find_route(pose: Array, start: Array, end: Array) -> tuple[Array, float] | None:
    """The shortest way from start to end, (n, 2) points from the first corner to the end, and its length [pixels].

    pose: (3,) of the block. Both ends may touch the block: they first leave it by the shortest way. None where there
    is no way inside the window.
    """
    obstacle = shapely.transform(_KEEP_OUT, lambda points: to_world(pose, points))
    nodes = np.vstack([_outside(start, obstacle), _outside(end, obstacle), to_world(pose, _CORNERS)])
    nodes = nodes[(nodes >= _LOW).all(axis=1) & (nodes <= _HIGH).all(axis=1) | (np.arange(len(nodes)) < 2)]
    first, second = np.triu_indices(len(nodes), 1)
    lines = np.asarray(shapely.linestrings(np.stack([nodes[first], nodes[second]], axis=1)))
    free = ~shapely.relate_pattern(lines, obstacle, "T********")
    lengths = np.full((len(nodes), len(nodes)), np.inf)
    lengths[first[free], second[free]] = lengths[second[free], first[free]] = shapely.length(lines[free])
    order = _dijkstra(lengths)
    if order is None:
        return None
    way = np.vstack([nodes[order], end])
    return way, float(np.linalg.norm(np.diff(np.vstack([start, way]), axis=0), axis=1).sum())


def _outside(point: Array, obstacle: shapely.Geometry) -> Array:
    spot = shapely.Point(point)
    if not shapely.contains(obstacle, spot):
        return point
    border = shapely.boundary(obstacle)
    nearest = border.interpolate(border.project(spot))
    out = np.array([nearest.x, nearest.y])
    away = out - point
    return out + 0.5 * away / max(float(np.linalg.norm(away)), 1e-9)


def _dijkstra(lengths: Array) -> list[int] | None:
    """Shortest path from node 0 to node 1."""
    best, origin, queue = {0: 0.0}, {}, [(0.0, 0)]
    while queue:
        travelled, node = heapq.heappop(queue)
        if node == 1:
            path = [1]
            while path[-1] != 0:
                path.append(origin[path[-1]])
            return path[::-1]
        for other in np.flatnonzero(np.isfinite(lengths[node])):
            reached = travelled + lengths[node, other]
            if reached < best.get(int(other), np.inf):
                best[int(other)], origin[int(other)] = reached, node
                heapq.heappush(queue, (reached, int(other)))
    return None


def next_target(pose: Array, agent: Array, route: Array, lead: float) -> Array:
    """The point up to `lead` pixels ahead on a route that the agent can head for without touching the block, (2,)."""
    body = shapely.transform(_BODY, lambda points: to_world(pose, points))
    way = shapely.LineString(np.vstack([agent, route]))
    for share in (1.0, 0.75, 0.5):
        spot = np.array(way.interpolate(share * lead).coords[0])
        if not shapely.LineString([agent, spot]).intersects(body):
            return spot
    return np.array(way.interpolate(0.3 * lead).coords[0])


# --- The simulator as the expert's model: what a straight push would do ---------------------------------------------


STRIDE = 2.0
"""Pixels of agent travel between two poses of a simulated push."""
_DT = 0.01
_WALL_LOW, _WALL_HIGH = 5, 506
_FAR = (-400.0, -400.0)
# Chipmunk remembers contacts for a few steps and starts its solver from them; they must not leak between pushes.
_FORGET_STEPS = 5


class PushModel:
    """Simulates pushes from any state; the same question always has the same answer."""

    def __init__(self) -> None:
        env = gym_pusht_env()
        env.reset(options={"reset_to_state": np.zeros(5)})
        # A space of its own: the environment's counts contacts in Python, which takes twice as long as the physics.
        self._space = type(env.space)()
        self._space.damping = env.space.damping
        corners = [(_WALL_LOW, _WALL_LOW), (_WALL_HIGH, _WALL_LOW), (_WALL_HIGH, _WALL_HIGH), (_WALL_LOW, _WALL_HIGH)]
        ends = zip(corners, corners[1:] + corners[:1], strict=True)
        self._space.add(*(env.add_segment(self._space, begin, end, 2) for begin, end in ends))
        self._agent = env.add_circle(self._space, _FAR, AGENT_RADIUS)
        self._block, _ = env.add_tee(self._space, (256, 256), 0)

    def push(self, pose: Array, start: Array, direction: Array, length: float) -> Array:
        """Block poses while the agent moves straight on from `start`, one for each STRIDE of travel, (n + 1, 3).

        pose: (3,) block x, y, angle. start: (2,). direction: (2,) unit. length: pixels; n = length / STRIDE.
        """
        space, agent, block = self._space, self._agent, self._block
        self._place(pose)
        agent.position = tuple(start)
        agent.velocity = tuple(direction * (STRIDE / _DT))
        poses = [tuple(pose)]
        for _ in range(round(length / STRIDE)):
            space.step(_DT)
            poses.append((*block.position, block.angle))
        return np.array(poses)

    def _place(self, pose: Array) -> None:
        space, agent, block = self._space, self._agent, self._block
        agent.position, agent.velocity = _FAR, (0.0, 0.0)
        for _ in range(_FORGET_STEPS):
            space.step(_DT)
        # The angle first: turning acts about the centre of mass and would move the block's origin.
        block.angle = float(pose[2])
        block.position = (float(pose[0]), float(pose[1]))
        block.velocity, block.angular_velocity = (0.0, 0.0), 0.0


# --- An expert for PushT that plans straight pushes with the simulator ----------------------------------------------


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
_GAIN = 0.05
_FIRST_LENGTHS = (40.0, 80.0, 120.0, 160.0)
_STRAIGHT = slice(None, None, 3)
_LOW, _HIGH = 2.0, 510.0


class Push(NamedTuple):
    """A straight push: where the agent starts and ends (2,), and what it leaves to do (lower is better).

    fixed: its end is not the best place to stop, but leads to one.
    """

    start: Array
    end: Array
    score: float
    fixed: bool = False


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
        """The best of all pushes; where none brings the block clearly nearer, the best first of two."""
        pushes = self._pushes(pose, slice(None)) or self._first_of_two(pose)
        hopes = [push.score + _travel_cost(np.linalg.norm(agent - push.start)) for push in pushes]
        best: Push | None = None
        for index in np.argsort(hopes, kind="stable"):
            if best is not None and hopes[index] >= best.score:
                break
            route = find_route(pose, agent, pushes[index].start)
            if route is None:
                continue
            score = pushes[index].score + _travel_cost(route[1])
            if best is None or score < best.score:
                best = pushes[index]._replace(score=score)
        return best

    def _pushes(self, pose: Array, chosen: slice) -> list[Push]:
        """Those of the chosen pushes that bring the block clearly nearer, each with its best end."""
        lines = zip(*self._lines(pose, chosen), strict=True)
        pushes = [self._score(pose, start, way, LONGEST_PUSH, _GAIN) for start, way in lines]
        return [push for push in pushes if push.score < np.inf]

    def _first_of_two(self, pose: Array) -> list[Push]:
        """Straight pushes of several lengths, each with the score of the best push that could follow."""
        firsts = []
        for start, way in zip(*self._lines(pose, _STRAIGHT), strict=True):
            poses = self._model.push(pose, start, way, max(_FIRST_LENGTHS))
            for length in _FIRST_LENGTHS:
                end = start + length * way
                if ((end < _LOW) | (end > _HIGH)).any():
                    continue
                after = self._pushes(poses[round(length / STRIDE)], _STRAIGHT)
                score = min(
                    (push.score + _travel_cost(np.linalg.norm(push.start - end)) for push in after), default=np.inf
                )
                firsts.append(Push(start, end, score + _STEP_COST * length / PUSH_STEP, fixed=True))
        return firsts

    def _lines(self, pose: Array, chosen: slice) -> tuple[Array, Array]:
        """Starts and directions of the chosen pushes that begin inside the window, (K, 2) each."""
        starts = to_world(pose, (self._centres - RUN_UP * self._directions)[chosen])
        inside = ((starts > _LOW) & (starts < _HIGH)).all(axis=1)
        return starts[inside], turn(pose, self._directions[chosen])[inside]

    def _aim(self, agent: Array, pose: Array) -> Push | None:
        """The rest of the push in progress, turned a little if that is better; None where it is over."""
        assert self._push is not None
        way = self._push.end - agent
        reach = float(np.linalg.norm(way))
        if reach < STRIDE:
            return None
        if self._push.fixed:
            return self._push
        way = way / reach
        best = None
        for angle in _TURNS:
            turned = turn(np.array([0.0, 0.0, angle]), way)
            push = self._score(pose, agent, turned, reach + 20.0)
            if best is None or push.score < best.score - 1e-6:
                best = push
        assert best is not None
        return best if np.linalg.norm(best.end - agent) >= STRIDE else None

    def _score(self, pose: Array, start: Array, way: Array, length: float, gain: float = 0.0) -> Push:
        """The best end of a push along one line, of those that reduce the distance to the goal by the share `gain`."""
        poses = self._model.push(pose, start, way, length)
        travel = STRIDE * np.arange(len(poses))
        distance = np.maximum(distance_to_goal(poses), _CLOSE_ENOUGH)
        scores = np.log(distance) + _STEP_COST * travel / PUSH_STEP
        ends = start + travel[:, None] * way
        outside = ((ends < _LOW) | (ends > _HIGH)).any(axis=1)
        scores[outside | (distance > (1 - gain) * distance[0])] = np.inf
        best = int(np.argmin(scores))
        return Push(start, ends[best], float(scores[best]))

    @staticmethod
    def _towards(agent: Array, end: Array, step: float) -> Array:
        way = end - agent
        return agent + way * min(1.0, LEAD * step / max(float(np.linalg.norm(way)), 1e-9))


def _travel_cost(pixels: float | np.floating) -> float:
    return _STEP_COST * float(pixels) / TRAVEL_STEP
