"""A model that watches the humanoid and says what comes next."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from hoigym.adapters.uva.conditioner import PlannedConditioner
from hoigym.conditioners.base import ConditionQuery
from hoigym.conditioners.plan import KNOTS, STEPS, plan_table, plan_width, plans
from hoigym.conditioners.table import TableError, save_table
from hoigym.envs.clips import load_library
from hoigym.envs.make import make_env, task_config

ROWS, SIZE, WIDTH = 2, 32, 3


class Watcher:
    """A planner whose plans say how often it was asked, and which keeps what it was shown and for which skills."""

    width, picture_size = WIDTH, SIZE

    def __init__(self) -> None:
        self.shown: list[Tensor] = []
        self.skills: list[list[int]] = []

    def plan(self, pictures: Tensor, skill: Tensor) -> Tensor:
        self.shown.append(pictures.clone())
        self.skills.append(skill.tolist())
        return torch.full((len(pictures), STEPS, WIDTH), float(len(self.shown)))


@pytest.fixture
def watched():
    env = make_env(task_config("locomotion", num_envs=ROWS, threads=1))
    env.reset(seed=0)
    planner = Watcher()
    conditioner = PlannedConditioner(planner, env.scene, env.sim.state, env.sim.control_dt, lambda plan: 10.0 * plan)  # pyright: ignore[reportArgumentType]
    yield env, planner, conditioner
    conditioner.close()
    env.close()


def values(conditioner: PlannedConditioner, skills: Sequence[int] = (7, 7)) -> list[float]:
    """The first number of each row, where these skills are wanted."""
    row = torch.arange(ROWS)
    return conditioner(ConditionQuery(torch.tensor(skills), row, row, row, row))[:, 0].tolist()


def test_a_plan_is_made_at_the_start_and_every_quarter_of_a_second(watched):
    env, planner, conditioner = watched
    assert conditioner.width == WIDTH * len(KNOTS)
    conditioner.restart(torch.arange(ROWS), torch.tensor([True, True]))
    seen = [values(conditioner)[0]]
    for _ in range(32):
        env.sim.step(env.sim.state.joint_rot)
        conditioner.look()
        seen.append(values(conditioner)[0])
    assert seen == [10.0] * 16 + [20.0] * 16 + [30.0]
    assert len(planner.shown) == 3


def test_the_planner_is_shown_the_latest_pictures_the_newest_last(watched):
    env, planner, conditioner = watched
    conditioner.restart(torch.arange(ROWS), torch.tensor([True, True]))
    values(conditioner)
    first = planner.shown[0]
    assert first.shape == (ROWS, 4, SIZE, SIZE, 3)
    assert torch.equal(first[:, 0], first[:, 3])
    assert int(first.float().std()) > 5
    for _ in range(32):
        env.sim.step(torch.zeros_like(env.sim.state.joint_rot))
        conditioner.look()
        values(conditioner)
    second, third = planner.shown[1:]
    assert torch.equal(second[:, :2], first[:, :2])
    assert not torch.equal(second[:, 2], second[:, 3])
    assert torch.equal(third[:, :2], second[:, 2:])


def test_a_row_that_begins_anew_is_planned_alone(watched):
    _, planner, conditioner = watched
    conditioner.restart(torch.arange(ROWS), torch.tensor([True, True]))
    assert values(conditioner) == [10.0, 10.0]
    conditioner.restart(torch.arange(ROWS), torch.tensor([False, True]))
    assert values(conditioner) == [10.0, 20.0]
    assert len(planner.shown[1]) == 1


def test_a_row_of_which_another_skill_is_wanted_is_planned_for_it_at_once(watched):
    _, planner, conditioner = watched
    conditioner.restart(torch.arange(ROWS), torch.tensor([True, True]))
    assert values(conditioner, (7, 8)) == [10.0, 10.0]
    assert values(conditioner, (3, 8)) == [20.0, 10.0]
    assert values(conditioner, (3, 8)) == [20.0, 10.0]
    assert planner.skills == [[7, 8], [3]]


def test_a_row_that_begins_anew_is_filmed_as_a_film_begins(watched):
    """Also where the episode before ended close by, seen from another side: a camera that goes on would not turn."""
    _, planner, conditioner = watched
    conditioner.restart(torch.arange(ROWS), torch.tensor([True, True]))
    values(conditioner)
    for camera in conditioner._cameras:
        camera.view.azimuth += 90.0
    conditioner.restart(torch.arange(ROWS), torch.tensor([True, True]))
    values(conditioner)
    assert torch.equal(planner.shown[1], planner.shown[0])


def test_a_planner_cannot_take_the_place_of_a_table_without_plans(tmp_path):
    config = task_config("locomotion", num_envs=1, threads=1)
    library = load_library(config, torch.device("cpu"))
    table = plan_table(library, plans(library)[:, :, : plan_width(library) - 1], "spoilt")
    save_table(table, tmp_path / "z.npz")
    with pytest.raises(TableError, match="holds no plans"):
        make_env(
            task_config(
                "locomotion",
                num_envs=1,
                threads=1,
                condition={"kind": "uva", "file": str(tmp_path / "z.npz"), "planner": "nowhere"},
            )
        )
