"""The command line: layers of configuration, and one clear line for wrong input."""

import importlib
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
import yaml

from hoigym.commands import play, train
from hoigym.commands.app import COMMANDS, main
from hoigym.commands.train import ALIASES, TrainConfig
from hoigym.core.config import CFG, Layer, describe, leaf_types, named_layer, read_layer, to_plain
from hoigym.core.config_parser import ConfigParser
from hoigym.core.errors import UserError, nearest

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "motions" / "demo" / "clips"


@dataclass(frozen=True)
class Ball:
    radius: float = 0.12


@dataclass(frozen=True)
class Inner:
    rate: float = 1.0
    mode: Literal["a", "b"] = "a"


@dataclass(frozen=True)
class Env:
    num_envs: int = 64
    seed: int = 0
    fast: bool = False
    clip: int | None = None
    balls: tuple[Ball, ...] = (Ball(),)
    inner: Inner = field(default_factory=Inner)

    def __post_init__(self) -> None:
        if self.num_envs < 1:
            raise ValueError(f"env.num_envs must be at least 1, not {self.num_envs}")


@dataclass(frozen=True)
class Config:
    """A small configuration."""

    recipe: str = "fast"
    seed: int = 0
    env: Env = field(default_factory=Env)


def parser() -> ConfigParser:
    return ConfigParser("test", Config, {"--num_envs": ["env.num_envs"], "--seed": ["env.seed", "seed"]})


def resolve(argv: list[str], *layers: dict) -> Config:
    return parser().resolve([Layer(f"{place}.yaml", values) for place, values in enumerate(layers)], argv)


def error(argv: list[str], *layers: dict) -> str:
    with pytest.raises(UserError) as caught:
        resolve(argv, *layers)
    return str(caught.value)


def test_later_layers_win_and_the_command_line_wins_over_all():
    first, second = {"env": {"num_envs": 2, "inner": {"rate": 2}}}, {"env": {"num_envs": 3, "seed": 3}}
    config = resolve(["--env.seed", "4"], first, second)
    assert config == Config(env=Env(num_envs=3, seed=4, inner=Inner(rate=2.0)))


def test_nothing_given_is_the_defaults():
    assert resolve([]) == Config()


def test_a_short_form_sets_every_key_that_it_stands_for():
    config = resolve(["--seed=7", "--num_envs", "5"])
    assert (config.seed, config.env.seed, config.env.num_envs) == (7, 7, 5)


def test_a_switch_alone_is_true():
    assert resolve(["--env.fast", "--num_envs", "2"]).env == Env(fast=True, num_envs=2)


def test_null_and_negative_numbers_and_exponents():
    config = resolve(
        ["--env.inner.rate", "-2.5"], {"env": {"clip": 3, "inner": {"rate": "2e-5"}}}, {"env": {"clip": None}}
    )
    assert config.env.clip is None
    assert config.env.inner.rate == -2.5
    assert resolve([], {"env": {"inner": {"rate": "2e-5"}}}).env.inner.rate == 2e-5


def test_lists_of_dataclasses():
    assert resolve([], {"env": {"balls": [{"radius": 1}, {"radius": 2}]}}).env.balls == (Ball(1.0), Ball(2.0))


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"env": {"nun_envs": 1}}, "0.yaml: unknown key 'env.nun_envs'; the nearest is 'env.num_envs'"),
        ({"num_envs": 1}, "0.yaml: unknown key 'num_envs'; the nearest is 'env.num_envs'"),
        ({"env": {"num_envs": "many"}}, "0.yaml: env.num_envs: expected int, got 'many'"),
        ({"env": {"num_envs": None}}, "0.yaml: env.num_envs: expected int, got nothing"),
        ({"env": {"inner": {"mode": "c"}}}, "0.yaml: env.inner.mode: expected one of 'a', 'b', got 'c'"),
        ({"env": {"inner": 3}}, "0.yaml: env.inner: expected keys and values, got '3'"),
        ({"env": None}, "0.yaml: env: expected keys and values, got nothing"),
        ({"env": {"clip": "x"}}, "0.yaml: env.clip: expected int or null, got 'x'"),
        (
            {"env": {"balls": [{"radiu": 1}]}},
            "0.yaml: env.balls: unknown key 'radiu'; the nearest is 'radius'",
        ),
        ({"env": {"balls": [3]}}, "0.yaml: env.balls: expected a list of Ball, got '3'"),
        ({"env": {"num_envs": 0}}, "0.yaml: env.num_envs must be at least 1, not 0"),
    ],
)
def test_wrong_values_in_a_file(layer: dict, message: str):
    assert error([], layer) == message


def test_the_file_at_fault_is_named_among_several():
    assert error([], {"env": {"seed": 1}}, {"env": {"num_envs": 0}}, {"seed": 1}).startswith("1.yaml: ")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--env.nun_envs", "1"], "unknown option '--env.nun_envs'; the nearest is '--env.num_envs'"),
        (["--num_env=1"], "unknown option '--num_env'; the nearest is '--num_envs'"),
        (["--env.num_envs", "many"], "env.num_envs: expected int, got 'many'"),
        (["--num_envs"], "--num_envs: expected a value"),
        (["--env.seed"], "--env.seed: expected a value"),
        (["--num_envs", "0"], "env.num_envs must be at least 1, not 0"),
        (["stray"], "unexpected argument 'stray'"),
        (["--headless"], "unknown option '--headless': every run is headless, leave it out"),
        (["--env.fast", "perhaps"], "env.fast: expected bool, got 'perhaps'"),
        (["--env", "missing.yaml"], "env: expected keys and values, got 'missing.yaml'"),
    ],
)
def test_wrong_arguments(argv: list[str], message: str):
    assert error(argv) == f"command line: {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("env: [1, 2", "not valid YAML at line 1"),
        ("just words", "expected keys and values, got str"),
        ("env:\n  seed: 1\n  seed: 2\n", "not valid YAML at line 3: key 'seed' is given twice"),
        ("env: !!python/object/apply:os.getcwd []", "not valid YAML at line 1"),
    ],
)
def test_files_that_are_no_configuration(tmp_path: Path, text: str, message: str):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        read_layer(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_an_unknown_task(tmp_path: Path):
    with pytest.raises(UserError, match=r"none\.yaml: No such file"):
        read_layer(tmp_path / "none.yaml")
    with pytest.raises(UserError, match="unknown task 'ballpaly'; the nearest is 'ballplay' of ballplay, locomotion"):
        named_layer("task", "ballpaly")


def test_a_configuration_written_as_yaml_reads_back_equal(tmp_path: Path):
    config = resolve(["--env.clip", "3"], {"env": {"balls": [{"radius": 2}]}})
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(to_plain(config)))
    assert parser().resolve([read_layer(path)], []) == config


def test_schema_names_and_types():
    assert list(leaf_types(Config))[:3] == ["recipe", "seed", "env.num_envs"]
    assert describe(float | None) == "float or null"
    assert describe(tuple[int, int]) == "a list of 2 (int, int)"
    assert nearest("radius", ["env.ball.radius", "env.rate"]) == "env.ball.radius"


# The real configuration.


def test_precedence_task_recipe_own_file_command_line(tmp_path: Path):
    own = tmp_path / "own.yaml"
    own.write_text("agent: {gamma: 0.5, lam: 0.5}\n")
    argv = ["--task", "locomotion", "--recipe", "skillmimic", "--config", str(own), "--agent.lam", "0.6"]
    config, _ = train.parse(argv)
    assert config.env.task == "locomotion"
    assert config.env.scene.objects == ()
    assert config.recipe == "skillmimic"
    assert config.env.num_envs == 2048
    assert (config.agent.gamma, config.agent.lam) == (0.5, 0.6)


def test_an_own_file_may_name_task_and_recipe(tmp_path: Path):
    own = tmp_path / "own.yaml"
    own.write_text("recipe: skillmimic\nenv: {task: locomotion}\n")
    config, _ = train.parse(["--config", str(own)])
    assert (config.env.task, config.recipe, config.agent.learning_rate) == ("locomotion", "skillmimic", 2e-5)


def test_a_resumed_run_keeps_the_policy_it_started_from(tmp_path: Path):
    """Stopped before its first checkpoint it has nothing else."""
    policy = ROOT / "models" / "run"
    config, _ = train.parse(["--start_from", str(policy)])
    assert config.start_from == policy
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(to_plain(config)))
    assert train.parse(["--resume", str(tmp_path)])[0] == config
    # As anybody's own file, too, with the hands that the policy knows.
    (tmp_path / "own.yaml").write_text(f"start_from: {policy}")
    assert train.parse(["--config", str(tmp_path / "own.yaml")])[0] == config


def test_a_resumed_run_keeps_its_configuration(tmp_path: Path):
    config, _ = train.parse(["--recipe", "skillmimic", "--agent.gamma", "0.9"])
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(to_plain(config)))
    resumed, options = train.parse(["--resume", str(tmp_path), "--max_epochs", "7"])
    assert options["resume"] == tmp_path
    assert resumed.agent.max_epochs == 7
    assert (resumed.recipe, resumed.agent.gamma, resumed.env) == ("skillmimic", 0.9, config.env)
    with pytest.raises(UserError, match="a resumed run keeps its task: leave out --task"):
        train.parse(["--resume", str(tmp_path), "--task", "locomotion"])


def test_clips_beside_a_policy_are_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    policy = tmp_path / "policy"
    (policy / "motion").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    for named, found in (("motion", str(policy / "motion")), ("policy", "policy"), ("nowhere", "nowhere"), ("", "")):
        (policy / "config.yaml").write_text(yaml.safe_dump({"env": {"task": "locomotion", "motion_file": named}}))
        assert play.parse(["--checkpoint", str(policy)]).env.motion_file == found
    assert play.parse(["--checkpoint", str(policy), "--motion_file", "mine"]).env.motion_file == "mine"


def test_play_takes_the_environment_of_the_run(tmp_path: Path):
    config, _ = train.parse(["--task", "locomotion", "--num_envs", "32", "--seed", "5"])
    checkpoint = tmp_path / "checkpoints" / "epoch_000001"
    checkpoint.mkdir(parents=True)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(to_plain(config)))
    for path in (tmp_path, checkpoint):
        played = play.parse(["--checkpoint", str(path), "--steps", "9"])
        assert (played.env.task, played.env.num_envs, played.env.seed) == ("locomotion", 1, 5)
        assert (played.steps, played.checkpoint) == (9, path)
    with pytest.raises(UserError, match="no config.yaml in it or above it"):
        play.parse(["--checkpoint", str(tmp_path.parent)])
    for given in ("2", "-1"):
        with pytest.raises(UserError, match="throw_every"):
            play.parse(["--checkpoint", str(path), "--throw_every", given])


@pytest.mark.parametrize("name", sorted(path.stem for path in (CFG / "recipes").glob("*.yaml")))
@pytest.mark.parametrize("task", sorted(path.stem for path in (CFG / "tasks").glob("*.yaml")))
def test_every_task_goes_with_every_recipe(task: str, name: str):
    config, _ = train.parse(["--task", task, "--recipe", name])
    assert (config.env.task, config.recipe) == (task, name)


def test_every_short_form_stands_for_keys_that_exist():
    values = {
        "--task": "ballplay",
        "--motion_file": "clips",
        "--engine": "mujoco",
        "--state_init": "2",
        "--graph_file": "graph.npz",
    }
    argv = [f"{short}={values.get(short, '1')}" for short in ALIASES]
    config, _ = train.parse(argv)
    assert (config.env.start.frame, config.agent.horizon, config.env.seed, config.agent.seed) == (2, 1, 1, 1)


def test_the_published_recipe_is_the_published_one():
    config: TrainConfig = train.parse(["--recipe", "skillmimic"])[0]
    agent = config.agent
    assert (agent.gamma, agent.lam, agent.learning_rate, agent.clip) == (0.99, 0.95, 2e-5, 0.2)
    assert (agent.critic_coef, agent.bounds_coef, agent.mini_epochs, agent.horizon) == (5.0, 10.0, 6, 32)
    assert (agent.hidden_sizes, agent.log_sigma, agent.schedule) == ((1024, 512, 512), -2.9, "constant")
    assert (config.env.num_envs, agent.minibatch_size, agent.max_epochs) == (2048, 16384, 20_000)


# The program.


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["trian"], "unknown command 'trian'; the nearest is 'train' of"),
        (["--hlep"], "unknown option '--hlep'; the nearest is '--help'"),
        (["train", "--tsk", "ballplay"], "unknown option '--tsk'; the nearest is '--task'"),
        (["train", "--recipe", "slow"], "unknown recipe 'slow'; the nearest is"),
        (["train", "--resume", "nowhere"], "config.yaml: No such file"),
        (["train", "--resume", "a", "--run_dir", "b"], "--resume and --run_dir exclude each other"),
        (["play"], "--checkpoint is missing"),
        (["play", "--checkpoint", "nowhere"], "no run, checkpoint or policy at nowhere"),
        (["replay"], "--motion_file is missing"),
        (["replay", "--motion_file", "clips", "--viewer", "none"], "--viewer none shows nothing"),
        (["replay", "--motion_file", "clips", "--port", "70000"], "port must be 0 to 65535, not 70000"),
        (["replay", "--motion_file", f"{DEMO}", "--clip", "99", "--output", "a.mp4"], "no clip '99' in"),
        (["replay", "--motion_file", f"{DEMO}", "--output", "a.avi"], "a.avi: unknown suffix '.avi'"),
        (["replay", "--motion_file", f"{DEMO}", "--output", "a.npz"], "a.npz: a clip holds one sequence, not 5"),
        (
            ["replay", "--motion_file", "clips", "--speed", "0"],
            "command line: speed must be above 0, not 0.0",
        ),
        (["record"], "record needs --checkpoint (a policy) or --motion_file (clips)"),
        (["motions", "inf"], "unknown action 'inf'; the nearest is 'info'"),
        (["motions", "info"], "--motion_file is missing"),
        (["motions", "info", "nowhere"], "nowhere"),
        (["motions", "convert", "clips"], "--output is missing"),
        (["graph", "build", "clips"], "--output is missing"),
        (["graph", "draw", "nowhere.npz", "graph.png"], "nowhere.npz"),
        (["bench", "--seconds", "0"], "seconds must be above 0"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(argv: list[str], line: str, capsys: pytest.CaptureFixture[str]):
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert line in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("argv", [["--help"], [], *([name, "--help"] for name in COMMANDS)])
def test_help(argv: list[str], capsys: pytest.CaptureFixture[str]):
    assert main(argv) == 0
    assert "usage: run.py" in capsys.readouterr().out


def test_help_explains_each_setting(capsys: pytest.CaptureFixture[str]):
    main(["train", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "--agent.gamma GAMMA Discount per control step. (type: float, default: 0.99)" in text
    assert "Short forms: --task = --env.task;" in text


def test_unexpected_errors_keep_their_traceback(monkeypatch: pytest.MonkeyPatch):
    module = importlib.import_module("hoigym.commands.motions")
    monkeypatch.setattr(module, "main", lambda argv: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["motions"])


def test_ctrl_c_is_quiet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def interrupt(argv: list[str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib.import_module("hoigym.commands.motions"), "main", interrupt)
    assert main(["motions"]) == 130
    assert capsys.readouterr().err == ""


def test_commands_are_understood_without_what_only_their_work_needs():
    """Help and errors are quick, and need no package of an extra."""
    code = f"""
import importlib, sys
quick = ["motions", "graph", "encode", "models"]
for command in quick:
    importlib.import_module("hoigym.commands." + command)
assert "torch" not in sys.modules
for command in {sorted(COMMANDS)}:
    importlib.import_module("hoigym.commands." + command)
late = ["matplotlib", "pytorch_lightning", "rl_games", "viser", "accelerate", "diffusers", "transformers", "zarr"]
print(sorted(name for name in late if name in sys.modules))
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_run_py_as_a_program():
    """Help is quick, since it imports no engine; a reader that leaves early is no error."""
    run = subprocess.run([sys.executable, "run.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "train a policy" in run.stdout
    slow = "{'torch', 'numpy', 'mujoco', 'gymnasium', 'viser'}"
    loaded = f"import sys, hoigym.commands.app as a; a.main(['--help']); sys.exit(bool({slow} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", loaded], cwd=ROOT, capture_output=True).returncode == 0
    wrong = subprocess.run([sys.executable, "run.py", "trian"], cwd=ROOT, capture_output=True, text=True)
    assert (wrong.returncode, wrong.stdout, wrong.stderr.count("\n")) == (2, "", 1)
