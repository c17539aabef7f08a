"""The whole check of a GPU on a CPU: every step runs, and needs no package that is not carried along."""

import shutil
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import gpu_check
import pytest
from gpu import report, running, wheels
from gpu.steps import STEPS, Setting
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support import ROOT, tiny

pytestmark = pytest.mark.stage

BARE = ("torch", "transformers", "accelerate", "safetensors", "sentencepiece")
"""What a bare machine has, with all that these ask for."""
IF_THERE = {"abstractor", "colorama", "protobuf", "pydot", "tabulate", "wcwidth"}
"""What libraries import where it is installed, and do without."""
WATCH = """
import atexit, os, sys
def note():
    with open(os.environ["LOADED"], "a") as file:
        file.write(" ".join({name.partition(".")[0] for name in sys.modules}) + " ")
atexit.register(note)
"""


@pytest.fixture(scope="module", name="ran")
def _ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, report.Report]:
    """Folder and report of a run with the tiny corpus in place of the public one."""
    folder = tmp_path_factory.mktemp("check")
    tiny.write_backbones(folder)
    tiny.write_corpus(folder / "corpus", cases=48, new=16, seed=5)
    shutil.copy(ROOT / "data/codebooks/nvdrs_youth.yaml", folder / "corpus/codebook.yaml")
    (folder / "watch").mkdir()
    (folder / "watch/sitecustomize.py").write_text(WATCH, encoding="utf-8")
    setting = Setting("cpu", folder / "corpus", (folder / "encoder",))
    variables = running.environment(folder / "watch") | {"LOADED": str(folder / "loaded")}
    variables["PYTHONPATH"] += f":{ROOT / '.venv/test'}"
    return folder, gpu_check.check(STEPS, setting, folder, variables)


def test_every_step_is_well_or_says_why_not(ran: tuple[Path, report.Report]) -> None:
    folder, found = ran

    assert found["steps"].keys() == STEPS.keys()
    for name, result in found["steps"].items():
        assert result["outcome"] in ("ok", "skipped"), (name, result, (folder / f"{name}.log").read_text()[-3000:])
        assert all(part["found"] for part in result["parts"])
    assert {name for name, result in found["steps"].items() if result["outcome"] == "skipped"} <= {"memory", "flash"}
    table = (folder / "gpu-check.md").read_text(encoding="utf-8")
    assert all(step.claim in table for step in STEPS.values())


def test_no_word_of_a_narrative_is_reported(ran: tuple[Path, report.Report]) -> None:
    files = [path for path in ran[0].iterdir() if path.suffix in (".json", ".md", ".log")]
    assert len(files) > 2 * len(STEPS)
    assert [path.name for path in files if tiny.words_in(path)] == []


def test_the_steps_import_no_package_that_is_not_carried(ran: tuple[Path, report.Report]) -> None:
    loaded = set((ran[0] / "loaded").read_text(encoding="utf-8").split())
    owners = packages_distributions()
    used = {canonicalize_name(owner) for module in loaded for owner in owners.get(module, [])[:1]}
    assert set(wheels.PACKAGES) <= used | {"bitsandbytes", "disentangled-flash"}
    assert sorted(used - needed(BARE) - set(wheels.PACKAGES) - IF_THERE) == []


def test_what_the_carried_packages_ask_for_is_carried() -> None:
    assert sorted(needed(wheels.PACKAGES) - needed(BARE) - set(wheels.PACKAGES)) == []


def needed(names: Iterable[str]) -> set[str]:
    """Packages with all that they ask for on Linux, extras apart."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        if (name := canonicalize_name(waiting.pop())) in found:
            continue
        found.add(name)
        with suppress(PackageNotFoundError):
            asked = [Requirement(line) for line in requires(name) or []]
            waiting += [one.name for one in asked if not one.marker or one.marker.evaluate({"extra": ""})]
    return found
