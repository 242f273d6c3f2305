"""Settings that learn the toy task in seconds."""

from dataclasses import replace
from typing import Any

from hoigym.agents.config import AgentConfig

QUICK = AgentConfig(
    hidden_sizes=(64, 64),
    log_sigma=-1.0,
    gamma=0.95,
    learning_rate=1e-3,
    horizon=16,
    mini_epochs=4,
    max_epochs=10,
    save_every=5,
    threads=1,
    seed=3,
    progress_seconds=0.0,
)


def quick(**changes: Any) -> AgentConfig:
    """The quick settings with these changes."""
    return replace(QUICK, **changes)
