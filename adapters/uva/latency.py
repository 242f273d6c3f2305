"""How long an action takes, and where the time goes."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from hoigym.adapters.uva.config import CHUNK, LATENT_FRAMES
from hoigym.adapters.uva.draws import Draws
from hoigym.adapters.uva.model import HISTORY, PROPRIOCEPTION, Hidden
from hoigym.adapters.uva.policy import UVAPolicy

_VIDEO_STEPS = 5


@dataclass(frozen=True)
class Latency:
    """Seconds of one call, of process time on the CPU (all threads), of wall time on a GPU.

    encode to decode: the stages. video_head: of all denoising steps, of which a few were measured. action,
    with_video: of whole calls.
    """

    encode: float
    trunk: float
    action_head: float
    video_head: float
    decode: float
    action: float
    with_video: float | None

    def lines(self, iterations: int) -> list[str]:
        """What to print."""
        parts = {
            f"autoencoder, {LATENT_FRAMES} pictures in": self.encode,
            "transformer": self.trunk,
            "action head": self.action_head,
            "video head": self.video_head,
            f"autoencoder, {LATENT_FRAMES} pictures out": self.decode,
        }
        lines = [f"{name:<28} {1e3 * seconds:10.1f} ms" for name, seconds in parts.items()]
        action = self.encode + self.trunk + self.action_head
        video = action + (iterations - 1) * self.trunk + self.video_head + self.decode
        lines += [
            f"{'action alone, sum':<28} {1e3 * action:10.1f} ms",
            f"{'with video, sum':<28} {1e3 * video:10.1f} ms",
        ]
        lines += [f"{'action alone, one call':<28} {1e3 * self.action:10.1f} ms"]
        if self.with_video is not None:
            lines += [f"{'with video, one call':<28} {1e3 * self.with_video:10.1f} ms"]
        return [*lines, f"video makes an action {video / action:.1f} times slower"]


@torch.no_grad()
def measure(policy: UVAPolicy, batch: int, repeats: int, iterations: int, whole_video: bool) -> Latency:
    """Times a policy on random pictures; each number is the least of `repeats`.

    whole_video: also time a call that samples a video of `iterations`. Raises UVAError for a model without actions.
    """
    config = policy.eval().config
    policy.require_actions()
    device = next(policy.parameters()).device
    generator = torch.Generator(device).manual_seed(0)
    draws = Draws(generator)
    obs = _random_observation(policy, batch, device)
    pictures = obs["image"][:, list(HISTORY)]
    latents = policy.encode(pictures, draws)
    given = policy.observed(obs, draws)
    hidden = Hidden(torch.ones(batch, config.grid**2, dtype=torch.bool, device=device))
    z = policy.model(given, "policy_model", hidden)
    head, video_head = policy.model.diffactloss, policy.model.diffloss

    def act() -> Tensor:
        return head.sample(head.condition(policy.model.to_grid(z)).flatten(0, 1), draws, config.temperature)

    steps = len(video_head.chain)
    some = min(_VIDEO_STEPS, steps)
    tokens = z.flatten(0, 1)
    step = torch.zeros(len(tokens), dtype=torch.long, device=device)
    value = draws.normal(len(tokens), video_head.channels)

    def denoise() -> None:
        for _ in range(some):
            video_head.chain.reverse(video_head.net(value, step, tokens), value, step)

    def timed(call: Callable[[], object]) -> float:
        return _least(call, repeats, device)

    return Latency(
        encode=timed(lambda: policy.encode(pictures, draws)),
        trunk=timed(lambda: policy.model(given, "policy_model", hidden)),
        action_head=timed(act),
        video_head=timed(denoise) * steps / some,
        decode=timed(lambda: policy.decode(latents)),
        action=timed(lambda: policy.predict_action(obs, generator)),
        with_video=timed(lambda: policy.predict_action(obs, generator, True, iterations)) if whole_video else None,
    )


def _random_observation(policy: UVAPolicy, batch: int, device: torch.device) -> dict[str, Tensor]:
    config, inputs = policy.config, policy.config.inputs
    shapes: dict[str, tuple[int, ...]] = {"image": (3, config.image_size, config.image_size), **_felt(policy)}
    if inputs.history_action:
        shapes["action"] = (inputs.action_dim,)
    if inputs.proprioception == "toolhang":
        shapes["wrist"] = shapes["image"]
    obs = {name: torch.rand(batch, CHUNK, *shape, device=device) for name, shape in shapes.items()}
    return obs | ({"text": torch.rand(batch, 512, device=device)} if inputs.text else {})


def _felt(policy: UVAPolicy) -> dict[str, tuple[int, ...]]:
    return {name: (width,) for name, width in PROPRIOCEPTION[policy.config.inputs.proprioception].items()}


def _least(call: Callable[[], object], repeats: int, device: torch.device) -> float:
    on_gpu = device.type == "cuda"
    clock = time.perf_counter if on_gpu else time.process_time
    seconds = []
    # A GPU's first call also builds its kernels; on the CPU the least of several leaves it out.
    for _ in range(repeats + on_gpu):
        if on_gpu:
            torch.cuda.synchronize(device)
        begin = clock()
        call()
        if on_gpu:
            torch.cuda.synchronize(device)
        seconds.append(clock() - begin)
    return min(seconds[on_gpu:])
