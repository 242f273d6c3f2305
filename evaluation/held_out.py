"""Success while a policy is still learning: the same few trials again and again, in an environment of their own."""

import contextlib

from hoigym.core.errors import UserError
from hoigym.envs.config import EnvConfig
from hoigym.envs.make import make_env
from hoigym.evaluation.evaluator import trial_config
from hoigym.evaluation.metrics import metrics_of
from hoigym.evaluation.trials import (
    Policy,
    SimulatedTrials,
    draw_rows,
    fair_starts,
    judge,
    reference_statistic,
    seed_of,
)


class HeldOut(contextlib.AbstractContextManager["HeldOut"]):
    """A held-out batch of trials of every skill that the clips have and that has a metric.

    Starts are the same at every measurement, so that its curve moves with the policy alone; nothing of the
    training is touched, neither its environment nor any random state of torch.

    Args:
        config: the environment of the training.
        trials: of each skill.
        horizon: length of a trial [s].
        seed: of the starts.

    Raises UserError where no skill of the clips has a metric, or the horizon is not above 0.
    """

    def __init__(self, config: EnvConfig, trials: int, horizon: float = 5.0, seed: int = 0):
        if not horizon > 0:
            raise UserError(f"eval_horizon {horizon}: expected seconds above 0")
        self._env = make_env(trial_config(config, trials))
        library = self._env.library
        self._steps, self._seed = max(1, round(horizon * library.fps)), seed
        self._metrics = metrics_of(library.skeleton.name, sorted(set(library.clip_skill.tolist())))
        if not self._metrics:
            self.close()
            raise UserError("no skill of the clips has a metric: there is no success to measure while training")
        self._starts = {
            metric.name: draw_rows(library, fair_starts(library, metric, "corrected")[0], trials, seed_of(metric.name))
            for metric in self._metrics
        }

    def measure(self, policy: Policy) -> dict[str, float]:
        """Success rates by "success/SKILL", their mean, "success/mean", and the mean reward of a step, "success/nr"."""
        env, rates, rewards = self._env, {}, []
        for metric in self._metrics:
            trials = SimulatedTrials(env, policy, self._starts[metric.name], self._steps, self._seed)
            outcome = judge(
                trials.snapshots(),
                metric,
                "corrected",
                skeleton=env.library.skeleton,
                fps=env.library.fps,
                statistic=reference_statistic(env.library, metric),
            )
            rates[f"success/{metric.name}"] = float(outcome.success.float().mean())
            rewards.append(float(outcome.errors.reward.nanmean()))
        mean = sum(rates.values()) / len(rates)
        return rates | {"success/mean": mean, "success/nr": sum(rewards) / len(rewards)}

    def close(self) -> None:
        """Frees the environment."""
        self._env.close()

    def __exit__(self, *exception: object) -> None:
        self.close()
