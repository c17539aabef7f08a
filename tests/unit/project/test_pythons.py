"""One range of Pythons wherever it is said; `make` takes the first that makes a whole environment."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import lock
import pytest
from packaging.specifiers import SpecifierSet
from support import ROOT, faults

import abstractor

MAKEFILE = ROOT / "Makefile"
NAMES = re.findall(r"^pythons := (.*)$", MAKEFILE.read_text(encoding="utf-8"), re.MULTILINE)[0].split()
VERSIONS = [name.removeprefix("python") for name in NAMES if "." in name]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

INTERPRETER = """\
#!/bin/bash
# Says its version; makes an environment, without pip if ensurepip is missing, as on Debian without python3-venv.
case "$1 $2" in
  "-Ic import pip") [ -e .venv/bin/pip ] ;;
  "-c "*) echo python{version} ;;
  "-m venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python && {whole} && env >.venv/bin/pip ;;
  "-m pip") [ "$3" = config ] && echo "$PIP_CONFIG" || env >.venv/installed ;;
esac
"""


def test_everything_that_names_the_range_names_the_same() -> None:
    allowed = SpecifierSet(PYPROJECT["project"]["requires-python"])
    assert [f"3.{minor}" for minor in range(40) if f"3.{minor}" in allowed] == VERSIONS == list(lock.PYTHONS)
    assert PYPROJECT["tool"]["mypy"]["python_version"] == VERSIONS[0]
    assert PYPROJECT["tool"]["ruff"]["target-version"] == f"py{VERSIONS[0].replace('.', '')}"
    assert abstractor.__version__ == PYPROJECT["project"]["version"]
    for path in (MAKEFILE, *(ROOT / "requirements").glob("*.txt")):
        first = path.read_text(encoding="utf-8").partition("\n")[0]
        assert f"Python {VERSIONS[0]} to {VERSIONS[-1]}" in first, path


SCRIPTS = [ROOT / "tools/bundle/main.py", *sorted((ROOT / "stages").glob("*.py"))]
PRETENDING = """\
import runpy, sys
sys.argv, sys.version_info = sys.argv[2:], tuple(map(int, sys.argv[1].split(".")))
sys.path.insert(0, __import__("os").path.dirname(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("version", ["3.8.10", "3.10.12", "3.14.0"])
@pytest.mark.parametrize("script", SCRIPTS[:2], ids=lambda path: path.name)
def test_another_python_is_refused_in_words_before_packages(script: Path, version: str, tmp_path: Path) -> None:
    laid = tmp_path / "main.py"
    if script is SCRIPTS[0]:  # a bundle has the library in src/
        laid.write_bytes(script.read_bytes())
        (tmp_path / "src").symlink_to(ROOT / "src")
    run = [sys.executable, "-ISc", PRETENDING, version, str(laid if laid.exists() else script)]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: expected Python 3.11, 3.12 or 3.13, found {version} ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("script", [*SCRIPTS, Path(abstractor.__file__)], ids=lambda path: path.name)
def test_an_old_python_can_read_what_refuses_it(script: Path) -> None:
    """Syntax of 3.8, and the library imported before any package, which an old environment has of another year."""
    tree = ast.parse(script.read_text(encoding="utf-8"), feature_version=(3, 8))
    imported = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {getattr(node, "module", None) or node.names[0].name for node in imported}
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names | {"abstractor"}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of interpreters that comes first in PATH, with one too old under each name."""
    folder = tmp_path / "path"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    for name in ("MAKEFLAGS", "LOCK"):  # of a `make` that runs the tests
        monkeypatch.delenv(name, raising=False)
    for name in NAMES:
        put(folder / name, "3.10")
    return folder


def put(file: Path, version: str, whole: bool = True) -> None:
    file.write_text(INTERPRETER.format(version=version, whole=str(whole).lower()), encoding="utf-8")
    file.chmod(0o755)


def make(folder: Path, target: str = ".venv/bin/python") -> subprocess.CompletedProcess[str]:
    command = ["make", "--silent", "--file", str(MAKEFILE), "--directory", str(folder), target]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_first_that_makes_a_whole_environment_is_taken(tmp_path: Path, path: Path) -> None:
    put(path / "python3.12", "3.12", whole=False)
    put(path / "python3", "3.13")
    put(path / "python", "3.11")
    made = make(tmp_path)
    assert made.returncode == 0, made.stderr
    assert "python3.13" in (tmp_path / ".venv/bin/python").read_text(encoding="utf-8")


def test_a_half_made_environment_goes_and_its_package_is_named(tmp_path: Path, path: Path) -> None:
    put(path / "python3.12", "3.12", whole=False)
    made = make(tmp_path)
    assert made.returncode == 2
    assert "install python3.12-venv" in made.stderr
    assert not (tmp_path / ".venv").exists()


def test_what_was_left_half_made_is_made_anew(tmp_path: Path, path: Path) -> None:
    put(path / "python3.13", "3.13")
    (tmp_path / ".venv/bin").mkdir(parents=True)
    for name in ("python", "python3.11"):
        put(tmp_path / ".venv/bin" / name, "3.11")
    made = make(tmp_path)
    assert made.returncode == 0, made.stderr
    assert "python3.13" in (tmp_path / ".venv/bin/python").read_text(encoding="utf-8")


def test_none_of_the_range(tmp_path: Path, path: Path) -> None:
    made = make(tmp_path)
    assert made.returncode == 2
    assert "expected one of python3.11 python3.12 python3.13, found none" in made.stderr


@pytest.fixture
def ready(tmp_path: Path, path: Path) -> Path:
    """A clone that lacks its environment alone."""
    put(path / "python3.12", "3.12")
    for name in (".venv/bin", "requirements", ".dvc", "data", "models"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "requirements/cpu.txt").write_text("six\n", encoding="utf-8")
    return tmp_path


def test_an_environment_whose_interpreter_was_removed_is_filled_anew(ready: Path) -> None:
    for name in (".venv/bin/pip", ".venv/.installed-cpu"):
        (ready / name).touch()
    (ready / ".venv/bin/python").symlink_to("/nowhere/python3.11")
    made = make(ready, ".venv/.installed-cpu")
    assert made.returncode == 0, made.stderr
    assert (ready / ".venv/installed").exists()
    assert (ready / ".venv/.installed-cpu").read_text(encoding="utf-8") == "six\n"
    assert not (ready / ".venv/.installing").exists()


@pytest.mark.parametrize("option", ["global.target", "install.prefix", "install.root", "global.dry-run"])
def test_a_pip_that_would_install_elsewhere_is_refused(
    ready: Path, monkeypatch: pytest.MonkeyPatch, option: str, heard: faults.Heard
) -> None:
    """As a file of pip's configuration may say, which no variable overrules."""
    monkeypatch.setenv("PIP_CONFIG", f"global.index-url='x'\n{option}='/elsewhere'")
    made = make(ready, ".venv/.installed-cpu")
    assert made.returncode == 2 and f"{option}='/elsewhere'\nerror: " in made.stderr
    assert not (ready / ".venv/installed").exists()
    heard(made.stderr)


def test_what_the_user_set_for_other_work_stays_out(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(path / "python3.12", "3.12")
    names = (
        "PYTHONPATH",
        "PYTHONHOME",
        "PYTHONSAFEPATH",
        "PIP_TARGET",
        "PIP_PREFIX",
        "PIP_ROOT",
        "PIP_PYTHON",
        "PIP_USER",
    )
    for name in names:
        monkeypatch.setenv(name, "1")
    assert make(tmp_path).returncode == 0
    seen = dict(
        line.partition("=")[::2] for line in (tmp_path / ".venv/bin/pip").read_text(encoding="utf-8").splitlines()
    )
    assert {name: seen[name] for name in names if name in seen} == {"PIP_USER": "0"}
