"""The wheel, installed beside folders of the user that have our folders' names."""

import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.test_house import ROOT, tracked

OTHERS = ("envs", "agents", "models", "cfg", "core", "motions", "sim", "commands")
USE = """
import gymnasium, envs, agents, models, cfg, core
env = gymnasium.make_vec("hoigym:hoigym/BallPlay-v0", num_envs=2, threads=1)
obs, _ = env.reset(seed=0)
obs, reward, *_ = env.step(env.action_space.sample())
env.close()
import hoigym, hoigym.envs.make
print(tuple(obs.shape), {module.OURS for module in (envs, agents, models, cfg, core)}, hoigym.envs.make.__file__)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy, for building writes beside the sources."""
    copy = tmp_path_factory.mktemp("source")
    for path in tracked():
        target = copy / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", "dist", "."]
    subprocess.run(command, cwd=copy, check=True, capture_output=True)
    (built,) = (copy / "dist").glob("hoigym-*.whl")
    return built


def test_only_hoigym_is_at_the_top_of_the_wheel(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"hoigym"}
    for name in ("cfg/tasks/ballplay.yaml", "cfg/skills/mocap.yaml", "motions/skeletons/mocap.yaml"):
        assert f"hoigym/{name}" in names
    assert any(name.startswith("hoigym/motions/demo/clips/") for name in names)
    assert any(name.startswith("hoigym/models/") and name.endswith(".safetensors") for name in names)


@pytest.mark.slow
def test_a_project_with_folders_of_the_same_names_can_use_it(wheel: Path, tmp_path: Path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    (site,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    zipfile.ZipFile(wheel).extractall(site)
    # What we depend on is that of the environment of the tests; its .pth files, an editable hoigym's, do not count.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    project = tmp_path / "project"
    for name in OTHERS:
        (project / name).mkdir(parents=True)
        (project / name / "__init__.py").write_text("OURS = False\n")
    (project / "use.py").write_text(USE)
    run = subprocess.run(
        [tmp_path / "venv" / "bin" / "python", "use.py"], cwd=project, capture_output=True, text=True, env={"HOME": "/"}
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("(2, 902) {False} ")
    assert str(site) in run.stdout
