"""The diffusion process against recorded tables and steps, and against diffusers."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from hoigym.adapters.uva.heads import Diffusion, cosine_betas, kept_steps
from tests.adapters.uva.published import NAMES, arrays, relative, tiny_model


def test_tables_are_the_published(shared: Path):
    tables = arrays(shared / "oracle/uva_diffusion_tables.npz")
    torch.testing.assert_close(cosine_betas(), tables["betas1000"], rtol=1e-12, atol=0)
    for count in (16, 100):
        assert torch.equal(kept_steps(count), tables[f"map{count}"])
        torch.testing.assert_close(Diffusion(count).betas, tables[f"betas{count}"], rtol=1e-10, atol=0)
    chain = Diffusion(100)
    zero, one = torch.zeros(100, 1), torch.ones(100, 1)
    # Where the variance lies at its lower bound, its logarithm is that of the posterior.
    least = chain.reverse(torch.cat([zero, -one], 1), zero, torch.arange(100))[1]
    torch.testing.assert_close(least[:, 0].double(), tables["post_logvar100"], rtol=1e-6, atol=1e-6)


def test_a_chain_agrees_with_diffusers():
    schedulers = pytest.importorskip("diffusers.schedulers.scheduling_ddpm")
    scheduler = schedulers.DDPMScheduler(
        1000,
        beta_schedule="squaredcos_cap_v2",
        variance_type="learned_range",
        clip_sample=True,
        timestep_spacing="linspace",
    )
    scheduler.set_timesteps(16)
    chain = Diffusion(16)
    assert chain.original.flip(0).tolist() == scheduler.timesteps.tolist()
    generator = torch.Generator().manual_seed(0)
    value = torch.randn(32, 3, generator=generator)
    for index in range(15, 0, -1):
        output = 0.3 * torch.randn(32, 6, generator=generator)
        state = generator.get_state()
        theirs = scheduler.step(output, int(chain.original[index]), value, generator=generator).prev_sample
        generator.set_state(state)
        mean, log_variance, _ = chain.reverse(output, value, torch.full((32,), index), 1.0)
        ours = mean + (0.5 * log_variance).exp() * torch.randn(32, 3, generator=generator)
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=2e-4)
        value = ours


def heads(steps: dict[str, Tensor]) -> list[str]:
    return [key.removesuffix("_x") for key in steps if key.endswith("_x")]


def guided(net: nn.Module, x: Tensor, condition: Tensor, scale: float) -> Tensor:
    """Published guidance at step 500: the second half of the conditions says nothing, values are those of the first."""
    values, half = x[: len(x) // 2].repeat(2, 1), len(x) // 2
    noise, variance = net(values, torch.full((len(x),), 500), condition).chunk(2, dim=1)
    mixed = noise[half:] + scale * (noise[:half] - noise[half:])
    return torch.cat([mixed.repeat(2, 1), variance], dim=1)


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_single_steps_are_the_published(shared: Path, name: str):
    steps = arrays(shared / f"oracle/uva_mar_{name}_tiny_steps.npz")
    model = tiny_model(shared, name)
    for key in heads(steps):
        head = getattr(model, key)
        x, condition = steps[f"{key}_x"], steps[f"{key}_c"]
        raw = head.net(x, torch.full((len(x),), 500), condition)
        assert relative(raw, steps[f"{key}_net_t500"]) < 1e-5
        if f"{key}_cfg3_t500" in steps:
            assert relative(guided(head.net, x, condition, 3.0), steps[f"{key}_cfg3_t500"]) < 1e-5
        for index in steps[f"{key}_t"].tolist():
            step = torch.full((len(x),), index)
            output = head.net(x, head.chain.original[step], condition)
            mean, log_variance, clean = head.chain.reverse(output, x, step, head.limit)
            loose = 1e-2 if index >= 98 else 1e-4
            assert relative(mean, steps[f"{key}_t{index}_mean"]) < loose, (key, index)
            assert relative(log_variance, steps[f"{key}_t{index}_log_variance"]) < 1e-5, (key, index)
            assert relative(clean, steps[f"{key}_t{index}_pred_xstart"]) < loose, (key, index)


def test_only_the_variance_learns_from_the_bound():
    chain = Diffusion()
    generator = torch.Generator().manual_seed(1)
    clean, noise = torch.rand(64, 4, generator=generator) * 2 - 1, torch.randn(64, 4, generator=generator)
    step = torch.randint(1000, (64,), generator=generator)
    noisy = chain.add_noise(clean, step, noise)
    output = torch.cat([noise, torch.zeros_like(noise)], 1).requires_grad_()
    chain.loss(output, clean, noise, noisy, step).sum().backward()
    assert output.grad is not None
    # The noise is right, so only the fraction has a gradient.
    assert output.grad[:, :4].abs().max() == 0
    assert (output.grad[:, 4:].abs() > 0).any()
