"""The engine's own kernels, compiled for a GPU where there is none."""

from pathlib import Path

import pytest

wp = pytest.importorskip("warp", reason="needs warp-lang", exc_type=ImportError)
HOPPER = 90


def test_kernels_compile_for_a_gpu(tmp_path: Path) -> None:
    """Warp brings NVIDIA's compiler along, but not on every platform."""
    from hoigym.sim import warp_kernels

    wp.init()
    if not wp._src.context.runtime.nvrtc_supported_archs:
        pytest.skip("this build of warp-lang compiles for no GPU")
    (binary,) = wp.compile_aot_module(warp_kernels, arch=HOPPER, module_dir=tmp_path)
    code = binary.read_bytes()
    kernels = [name for name in vars(warp_kernels) if isinstance(getattr(warp_kernels, name), wp.Kernel)]
    assert len(kernels) > 5
    assert [name for name in kernels if f"{name}_".encode() not in code] == []
