"""The library, the Python and the packages that run are the ones that lie beside the script: those are recorded."""

from __future__ import annotations  # so that an older Python comes far enough to be refused in words

import sys
from pathlib import Path

from abstractor.base.errors import UserError

PROJECT = Path(__file__).resolve().parents[3]
"""The root of the clone, worktree, copy or bundle whose library this is."""


class EnvironmentFault(UserError):
    """Another library or another Python than the project's runs."""


def check() -> None:
    """Compare what runs with what lies beside the script; tests and `python -c` are no script, and may do as they like.

    Raises:
        EnvironmentFault: the library or the Python is another one's, or the working directory is a folder of the
            project: what a script writes to data/ there would lie where git does not ignore it.
    """
    script = Path(sys.argv[0]).resolve()
    if not script.is_file():
        return
    if PROJECT not in script.parents:
        raise EnvironmentFault(
            f"{script}: expected the library that lies beside it, found the one of {PROJECT}; unset PYTHONPATH and "
            f"PYTHONSAFEPATH, and check that {script.parent / 'abstractor'} is a link to ../src/abstractor"
        )
    here = Path.cwd()
    if PROJECT in here.parents and not (here / "params.yaml").is_file():
        raise EnvironmentFault(
            f"expected {PROJECT} as the working directory, found {here.relative_to(PROJECT)} in it; run `cd {PROJECT}` "
            "and the same command, with paths from there"
        )
    if not (environment := _environment()):
        return
    if Path(sys.prefix).resolve() != environment.resolve():
        raise EnvironmentFault(
            f"expected the Python of {environment}, found {sys.executable}, whose packages are not the project's; run "
            f"`source {environment}/bin/activate` and the same command again, or `make repro`, which needs neither"
        )
    _compare_packages(environment)


def missing_package(error: ModuleNotFoundError) -> str | None:
    """What to do about a package that this Python lacks; None for a module of the project's own."""
    package = (error.name or "abstractor").partition(".")[0]
    if package == "abstractor":
        return None
    return (
        f"{sys.executable} has no package {package}; run `make setup` and `source .venv/bin/activate`, or `make repro`"
    )


def _environment() -> Path | None:
    """The virtual environment of the project, or of the clone in whose .dvc/tmp DVC made this copy of it."""
    roots = [PROJECT, *(folder.parent for folder in PROJECT.parents if folder.name == ".dvc")]
    return next((root / ".venv" for root in roots if (root / ".venv").is_dir()), None)


def _compare_packages(environment: Path) -> None:
    """Warn if the lock is another one than `make setup` has installed: it leaves a copy of that in the environment."""
    installed = {path.name.removeprefix(".installed-"): path.read_bytes() for path in environment.glob(".installed-*")}
    locks = {name: PROJECT / f"requirements/{name}.txt" for name, content in installed.items() if content}
    others = [lock for name, lock in locks.items() if lock.is_file() and lock.read_bytes() != installed[name]]
    if others and len(others) == len(locks):
        print(f"warning: {environment} does not hold the packages of {others[0]}; run `make setup`", file=sys.stderr)
