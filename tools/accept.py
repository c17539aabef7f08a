"""Record new code that changes no number for the outputs there are: python tools/accept.py, or `make accept`.

After a change of code DVC would run every stage behind it again. Where the fixed-seed tests say that no number moved,
this writes the new code's hashes into dvc.lock instead, in a commit of its own. Only code, commands and lists of
dependencies may have changed: other data, parameters or outputs are refused, all by name, and nothing is recorded.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dvc.dependency import ParamsDependency
from dvc.dvcfile import Lockfile
from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo
from dvc.stage import PipelineStage

from abstractor.base.errors import UserError
from abstractor.base.files import replaced
from abstractor.base.script import run_script

LOCK = Path("dvc.lock")
CODE = ("src/", "stages/")
"""Where the dependencies on code lie."""
MAY_DIFFER = (str(LOCK), "metrics/")
"""Of git's files, those that stages write."""
TESTS = (sys.executable, "-m", "pytest", "-m", "regression", "tests/regression")

_OUTPUT = {
    "deleted": "is missing",
    "modified": "is not what the stage wrote",
    "new": "was never recorded",
    "not in cache": "is not in DVC's cache",
}
"""DVC's word for an output -> what it means."""


class AcceptError(UserError):
    """More than code has changed, or code that changes numbers."""


class Changed(NamedTuple):
    """A stage that DVC would run."""

    name: str
    refused: list[str]
    """What changed of it beside code, in words."""
    never_ran: bool
    """It has no outputs either."""


def accept(tests: Sequence[str] = TESTS) -> None:
    """Accept the code of the project in the working directory.

    Args:
        tests: the command that leaves with 0 where no number moved.

    Raises:
        AcceptError: git's tree holds uncommitted changes, something else than code changed, or a number did.
    """
    commit = committed_code()
    with Repo() as repo:
        found = changed(repo)
    _refuse([f"{stage.name}: {problem}" for stage in found for problem in stage.refused])
    names = [stage.name for stage in found if not stage.never_ran]
    for stage in found:
        if stage.never_ran:
            print(f"{stage.name}: left out, since it never ran; `dvc repro` runs it")
    if not names:
        print("no stage has other code than it ran with")
        return
    if subprocess.run(tests, check=False).returncode:
        raise AcceptError(
            "expected the numbers of the fixed-seed tests, found others (above); nothing was recorded. Mend the code, "
            "or let `dvc repro` make everything anew with it"
        )
    record(names)
    body = f"No number has changed. The code is that of {commit}:\n\n" + "\n".join(names)
    _git("commit", "--quiet", "-m", f"Accept the code of {len(names)} stages", "-m", body, "--", str(LOCK))
    print(f"{LOCK}: recorded the code of {commit} for {len(names)} stages, in a commit of its own")


def committed_code() -> str:
    """The commit that the working tree holds.

    Raises:
        AcceptError: the tree differs from it in more than what stages write.
    """
    entries = _git("status", "--porcelain", "--no-renames", "--untracked-files=all", "-z").split("\0")
    differing = [entry[3:] for entry in entries if entry and not entry[3:].startswith(MAY_DIFFER)]
    if differing:
        raise AcceptError(
            f"expected all code in a commit, found {len(differing)} files that differ from the last one, the first is "
            f"{differing[0]}; commit them, so that the accepted code can be found again"
        )
    return _git("rev-parse", "--short=12", "HEAD").strip()


def changed(repo: Repo) -> list[Changed]:
    """The stages that DVC would run, and what hinders their acceptance."""
    recorded = Lockfile(repo, str(LOCK)).load().get("stages", {})
    found = []
    for stage in sorted(repo.index.stages, key=lambda stage: str(stage.addressing)):
        if stage.addressing not in recorded:
            there = [f"output {out} {_OUTPUT['new']}" for out in stage.outs if out.exists]
            found.append(Changed(stage.addressing, there, not there))
        elif any(entry.status() for entry in (*stage.deps, *stage.outs)) or stage.changed_stage():
            found.append(Changed(stage.addressing, _problems(stage, recorded[stage.addressing]), False))
    return found


def _problems(stage: PipelineStage, recorded: dict[str, Any]) -> list[str]:
    """What changed of a stage beside its code, its command and its lists."""
    listed = {entry["path"] for entry in recorded.get("deps", [])}
    problems = []
    for dep in stage.deps:
        status = dep.status().get(str(dep))
        if isinstance(dep, ParamsDependency):
            values = status if isinstance(status, dict) else {}
            problems += [f"parameter {key} has another value" for key, word in values.items() if word == "modified"]
            problems += [f"parameter {key} is missing" for key, word in values.items() if word == "deleted"]
        elif status == "deleted":
            problems.append(f"dependency {dep} is missing")
        elif status and dep.def_path in listed and not dep.def_path.startswith(CODE):
            problems.append(f"dependency {dep} is not what the stage read")
    for out in stage.outs:
        for word in out.status().values():
            problems.append(f"output {out} {_OUTPUT[word if out.hash_info or not out.exists else 'new']}")
    return problems


def _refuse(problems: list[str]) -> None:
    if problems:
        raise AcceptError(
            "expected changes of code alone, found others; nothing was recorded:\n"
            + "".join(f"  {problem}\n" for problem in problems)
            + "put back what these stages had (`dvc checkout`, `git checkout`), or run them: `dvc repro STAGE`"
        )


def record(names: Sequence[str]) -> None:
    """Write the present code of stages into dvc.lock, all or none; their outputs stay as they are.

    Raises:
        AcceptError: DVC did not take it, or still calls one of them changed.
    """
    before = LOCK.read_bytes()
    try:
        with Repo() as repo:
            for name in names:
                repo.commit(name, force=True, relink=False)
        with Repo() as repo:
            left = {stage.name for stage in changed(repo)}.intersection(names)
        if left:
            raise AcceptError(
                f"expected {LOCK} to hold what there is, found {', '.join(sorted(left))} still changed; nothing was "
                "recorded. Run it again while nothing else changes these files"
            )
    except BaseException:
        with replaced(LOCK) as partial:
            partial.write_bytes(before)
        raise


def _git(*command: str) -> str:
    done = subprocess.run(["git", *command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise AcceptError(
            f"expected `git {command[0]}` to succeed, found code {done.returncode}; see what it says by itself, in the "
            "folder of the project"
        )
    return done.stdout


def main() -> None:
    """Accept the code; what DVC itself refuses is said in its words."""
    argparse.ArgumentParser(description="Record new code that changes no number.").parse_args()
    try:
        accept()
    except LockError:
        raise AcceptError("expected no other DVC at work, found one; wait for its end and run this again") from None
    except DvcException as error:
        raise AcceptError(f"DVC refuses: {error}; mend that, then run this again") from None


if __name__ == "__main__":
    run_script(main)
