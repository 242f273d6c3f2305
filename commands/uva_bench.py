"""`run.py uva bench`: the latency of an action, with and without video."""

from dataclasses import dataclass
from pathlib import Path

from commands.device import check_device
from motions.errors import UserError


@dataclass(frozen=True)
class BenchConfig:
    """Measure how long an action takes, with and without video, and where the time goes."""

    model: str = "tiny"
    """Recipe in cfg/uva, with random weights, or folder of a model."""
    device: str = "cpu"
    threads: int = 1
    batch: int = 1
    repeats: int = 3
    iterations: int = 1
    """Iterations in which a video is sampled."""
    whole_video: bool = True
    """Also time one call with video, which takes minutes at full size on a CPU."""

    def __post_init__(self) -> None:
        if min(self.threads, self.batch, self.repeats, self.iterations) < 1:
            raise UserError("threads, batch, repeats and iterations must be at least 1")


def bench(config: BenchConfig) -> None:
    """Measures and prints."""
    import torch

    from commands.uva_train import recipe_config
    from conditioners.uva.latency import measure
    from conditioners.uva.policy import UVAPolicy
    from conditioners.uva.pretrained import load_pretrained
    from motions.readable import format_count

    check_device(config.device)
    torch.set_num_threads(config.threads)
    folder = Path(config.model)
    known = folder.exists()
    policy = load_pretrained(folder) if known else UVAPolicy(recipe_config(config.model).model)
    weights = sum(value.numel() for value in policy.parameters())
    clock = "process time" if config.device == "cpu" else "wall time"
    source = config.model if known else f"recipe {config.model}, random weights"
    print(f"{source}: {format_count(weights)} weights, batch {config.batch}, {config.device}, {clock}", flush=True)
    latency = measure(policy.to(config.device), config.batch, config.repeats, config.iterations, config.whole_video)
    print("\n".join(latency.lines(config.iterations)))
