"""What the expert is made of: the block's shape, its model, its way around the block."""

import math

import numpy as np
import pytest
import shapely

from hoigym.adapters.pusht.expert import STRIDE, PushModel, find_route
from hoigym.adapters.pusht.world import AGENT_RADIUS, GOAL, OUTLINE, PushTWorld, distance_to_goal, push_spots, to_world

POSE = np.array([200.0, 220.0, 0.6])


def test_outline_is_that_of_the_environment():
    world = PushTWorld()
    world.reset(0)
    shapes = [shapely.Polygon([tuple(point) for point in shape.get_vertices()]) for shape in world._env._block_shapes]
    assert shapely.union_all(shapes).symmetric_difference(shapely.Polygon(OUTLINE)).area < 1e-6


def test_distance_is_zero_at_the_goal_and_a_shift_counts_in_full():
    assert distance_to_goal(GOAL) == pytest.approx(0.0, abs=1e-9)
    assert distance_to_goal(GOAL + [3.0, 4.0, 0.0]) == pytest.approx(5.0)
    assert distance_to_goal(GOAL + [0.0, 0.0, 2 * math.pi]) == pytest.approx(0.0, abs=1e-6)


def test_half_a_turn_is_farther_than_anything_less():
    """The chord of the turn would hardly change there, and the expert would see no reason to turn on."""
    far, less = (float(distance_to_goal(GOAL + [0.0, 0.0, turn])) for turn in (math.pi, math.pi - 0.2))
    assert far - less > 5.0


def test_push_spots_touch_the_block_from_outside():
    centres, directions = push_spots()
    tee = shapely.Polygon(OUTLINE)
    away = np.array([tee.distance(shapely.Point(centre)) for centre in centres])
    np.testing.assert_allclose(away, AGENT_RADIUS, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1.0)
    inward = [
        tee.distance(shapely.Point(centre + direction)) for centre, direction in zip(centres, directions, strict=True)
    ]
    assert (np.array(inward) < AGENT_RADIUS).all()


def test_the_model_has_no_memory():
    model = PushModel()
    start = to_world(POSE, np.array([0.0, -25.0]))
    way = to_world(POSE, np.array([0.0, -24.0])) - start
    first = model.push(POSE, start, way, 60.0)
    model.push(GOAL, np.array([100.0, 100.0]), np.array([1.0, 0.0]), 200.0)
    np.testing.assert_array_equal(model.push(POSE, start, way, 60.0), first)
    assert len(first) == 60 / STRIDE + 1
    assert np.linalg.norm(first[-1, :2] - POSE[:2]) > 30.0


def test_the_model_says_what_the_environment_does():
    """A push through the centre of mass, carried out by the environment's own controller."""
    world, model = PushTWorld(), PushModel()
    world.reset(100_000)
    pose = world.state()[2:]
    start, end = to_world(pose, np.array([0.0, -25.0])), to_world(pose, np.array([0.0, 35.0]))
    way = (end - start) / 60.0
    world._env.agent.position, world._env.agent.velocity = tuple(start), (0.0, 0.0)
    for _ in range(25):
        world.step(end)
    predicted = model.push(pose, start, way, 60.0)[-1]
    np.testing.assert_allclose(world.state()[2:4], predicted[:2], atol=1.0)


def test_a_route_goes_around_the_block():
    start, end = to_world(POSE, np.array([0.0, -60.0])), to_world(POSE, np.array([60.0, 80.0]))
    found = find_route(POSE, start, end)
    assert found is not None
    way, length = found
    block = shapely.Polygon(to_world(POSE, OUTLINE))
    assert shapely.LineString(np.vstack([start, way])).distance(block) > AGENT_RADIUS
    np.testing.assert_array_equal(way[-1], end)
    assert length > np.linalg.norm(end - start)


def test_a_free_route_is_straight():
    found = find_route(POSE, np.array([20.0, 20.0]), np.array([40.0, 30.0]))
    assert found is not None
    assert found[1] == pytest.approx(math.hypot(20.0, 10.0))
