"""A short way for the agent around the block."""

import heapq

import numpy as np
from numpy.typing import NDArray

from conditioners.uva.error import UVAError
from conditioners.uva.pusht.tee import AGENT_RADIUS, OUTLINE, to_world

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
