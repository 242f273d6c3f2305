"""Rules of the house that nobody should have to check by eye."""

import ast
import re
import runpy
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from setuptools import Distribution

from hoigym.commands.app import COMMANDS

ROOT = Path(__file__).parent.parent
STACK = (
    "core",
    "motions",
    "sim",
    "rendering",
    "hist_encoder",
    "conditioners",
    "envs",
    "agents",
    "evaluation",
    "viewer",
    "adapters",
    "benchmarks",
    "commands",
)
"""A folder imports only from those before it."""
LONGEST_FILE = 600
MOST_SMALL_FILES = 35
SMALL_FILE = 50
FOREIGN_DATA = (".pt", ".pth", ".ckpt", ".pkl", ".obj", ".stl", ".xml")
RUNS_CODE = {"eval", "exec", "os.system", "yaml.unsafe_load", "yaml.full_load", "yaml.UnsafeLoader"}
UNPICKLERS = (
    "pickle.load",
    "pickle.Unpickler",
    "dill.load",
    "cloudpickle.load",
    "joblib.load",
    "marshal.load",
)


def tracked(*patterns: str) -> list[Path]:
    """Files of the repository: committed or about to be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if run.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in run.stdout.splitlines() if (ROOT / name).is_file()]


def product() -> list[Path]:
    """The product's own Python files."""
    return [path for path in tracked("*.py") if path.relative_to(ROOT).parts[0] != "tests"]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def imports(tree: ast.AST) -> Iterator[str]:
    """Dotted names of the modules that a file imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def code_runners(tree: ast.AST) -> Iterator[str]:
    """What in a file could run code that a user's file or string holds."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        keywords = {keyword.arg or "**": ast.unparse(keyword.value) for keyword in node.keywords}
        if called in RUNS_CODE or called.startswith(UNPICKLERS):
            yield called
        if called == "torch.load" and keywords.get("weights_only") != "True":
            yield f"{called} without weights_only=True"
        if keywords.get("allow_pickle", "False") != "False" or keywords.get("shell", "False") != "False":
            yield f"{called}({', '.join(keywords)})"


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("pickle.loads(x)", True),
        ("eval(x)", True),
        ("torch.load(f)", True),
        ("torch.load(f, weights_only=False)", True),
        ("np.load(f, allow_pickle=True)", True),
        ("torch.load(f, weights_only=True)", False),
        ("np.load(f, allow_pickle=False)", False),
        ("model.eval()", False),
        ("safetensors.torch.load(f)", False),
    ],
)
def test_code_runners_are_found(code: str, found: bool):
    assert bool(list(code_runners(ast.parse(code)))) == found


def test_no_file_of_a_user_can_run_code():
    found = {name(path): list(code_runners(ast.parse(text_of(path)))) for path in product()}
    assert {path: what for path, what in found.items() if what} == {}


def test_files_stay_short():
    lengths = {name(path): len(text_of(path).splitlines()) for path in tracked("*.py")}
    assert {path: length for path, length in lengths.items() if length > LONGEST_FILE} == {}


def test_no_machine_paths():
    folders = "|".join(["work", "farm", "root", "home", "tmp"])
    pattern = re.compile(rf"(?<![\w.>$}}/])/({folders})/")
    assert [name(path) for path in tracked() if pattern.search(text_of(path))] == []


def test_no_data_of_other_projects():
    assert [name(path) for path in tracked() if path.suffix in FOREIGN_DATA] == []


def test_no_utils():
    assert [name(path) for path in tracked("*.py") if "util" in name(path)] == []


def test_folders_import_only_from_those_before_them():
    wrong = []
    for path in product():
        folder = path.relative_to(ROOT).parts[0]
        for module in imports(ast.parse(text_of(path))):
            other = module.removeprefix("hoigym.").split(".")[0]
            if not module.startswith("hoigym.") or folder not in STACK:
                continue
            if STACK.index(other) > STACK.index(folder):
                wrong.append(f"{name(path)} imports {module}")
    assert wrong == []


def test_everything_is_imported_as_hoigym():
    """People have folders called envs, agents and models themselves."""
    bare = {
        f"{name(path)} imports {module}"
        for path in tracked("*.py")
        for module in imports(ast.parse(text_of(path)))
        if module.split(".")[0] in STACK
    }
    assert bare == set()


def test_no_two_files_import_each_other():
    """Counting what is imported when a file is, not what a function imports when it is called."""
    paths = {module_name(path): path for path in product()}
    above: dict[str, set[str]] = {}
    for module, path in paths.items():
        found = set()
        for node in ast.parse(text_of(path)).body:
            if isinstance(node, ast.ImportFrom) and node.module:
                found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        above[module] = found & paths.keys() - {module}
    while ready := {module for module, found in above.items() if not found & above.keys()}:
        above = {module: found for module, found in above.items() if module not in ready}
    assert above == {}


def module_name(path: Path) -> str:
    """The name a file is imported by."""
    dotted = name(path).removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    return dotted if dotted.startswith("hoigym") else f"hoigym.{dotted}"


def test_few_files_are_small():
    small = [path for path in product() if len(text_of(path).splitlines()) < SMALL_FILE]
    assert len(small) <= MOST_SMALL_FILES


def test_every_command_is_a_module_with_main_and_parse():
    for command in COMMANDS:
        tree = ast.parse((ROOT / "commands" / f"{command}.py").read_text(encoding="utf-8"))
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert {"main", "parse"} <= functions, command


def test_all_code_and_data_is_shipped_inside_hoigym_and_tests_are_not(monkeypatch: pytest.MonkeyPatch):
    described: dict = {}
    monkeypatch.setattr("setuptools.setup", lambda **settings: described.update(settings))
    monkeypatch.chdir(ROOT)
    runpy.run_path("setup.py")
    build = Distribution({**described, "script_name": "setup.py"}).get_command_obj("build_py")
    build.ensure_finalized()
    code = {Path(file) for _, _, file in build.find_all_modules()}  # pyright: ignore[reportAttributeAccessIssue]
    data = {Path(folder) / file for _, folder, _, files in build.data_files for file in files}
    wanted = {path.relative_to(ROOT) for path in tracked("*.py", "*.yaml", "*.npz", "*.safetensors", "*.json")}
    wanted = {path for path in wanted if path.parts[0] in {*STACK, "cfg", "hoigym", "models"}}
    assert wanted - code - data == set()
    assert {path.parts[0] for path in code | data} & {"tests", "docs", "typings"} == set()
    assert {package.split(".")[0] for package in described["packages"]} == {"hoigym"}
    assert not described.get("py_modules")
