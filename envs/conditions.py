"""The conditioner of an environment."""

from pathlib import Path

from conditioners.base import SkillConditioner
from conditioners.make import make_conditioner, standardised, table_of
from conditioners.plan import KNOTS, plan_width
from conditioners.table_file import TableError
from envs.config import EnvConfig
from envs.sim.base import Simulator
from motions.library import MotionLibrary


def env_conditioner(config: EnvConfig, library: MotionLibrary, sim: Simulator) -> SkillConditioner:
    """What tells the policy which skill is wanted; raises UserError for files that do not fit the clips."""
    condition = config.condition
    if condition.kind != "uva":
        return make_conditioner(condition, library, config.scene.control_hz)
    trained = table_of(condition, library).values
    if trained.shape[2] != len(KNOTS) * plan_width(library):
        raise TableError(f"{condition.file}: holds no plans, whose place those of condition.planner could take")
    # UVA needs packages that other conditioners do without.
    from conditioners.uva.planner import load_planner
    from envs.planned import PlannedConditioner

    planner = load_planner(Path(condition.planner), library, condition.sentences, config.seed)
    return PlannedConditioner(planner, sim.scene, sim.state, sim.control_dt, lambda plan: standardised(plan, trained))
