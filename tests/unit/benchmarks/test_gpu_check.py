"""The check of a GPU: what a step may do to the others, what is kept, what is written, and which packages go along."""

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import gpu_check
import pytest
from gpu import report, running, wheels
from gpu.steps import STEPS, Setting, Step
from support import ROOT

from abstractor.machine.compute import ALLOCATOR, GROWING

FAKE = """
import os, subprocess, sys, time
from pathlib import Path
from gpu.steps import Found, Skipped

def well(setting):
    yield "a part", lambda: Found(True, "7 s")
    with Path(os.environ["COUNT"]).open("a") as file:
        file.write("ran ")

def missing():
    raise Skipped("no such card")

def raising(setting):
    yield "wrong", lambda: Found(False, "8 instead of 7")
    yield "absent", missing
    yield "broken", lambda: [].pop
    yield "quoting", lambda: int("a narrative")
    yield "after it", lambda: Found(True, "still")

def unready(setting):
    raise Skipped("nothing to work on")
    yield

def hanging(setting):
    yield "quick", lambda: Found(True, "at once")
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    Path(os.environ["COUNT"]).write_text(str(child.pid))
    yield "slow", lambda: time.sleep(60)

def settled(setting):
    yield "allocator", lambda: Found(True, os.environ["PYTORCH_ALLOC_CONF"])

def dying(setting):
    yield "quick", lambda: Found(True, "at once")
    yield "deadly", lambda: os._exit(7)
"""
CPU = Setting("cpu", None, ())


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """Of processes that find the steps above; what they have done is counted in a file."""
    (tmp_path / "fake.py").write_text(FAKE, encoding="utf-8")
    found = running.environment(tmp_path)
    return found | {"COUNT": str(tmp_path / "count")}


def steps(*names: str, limit: int = 30) -> dict[str, Step]:
    return {name: Step(f"{name} holds", limit, f"fake:{name}") for name in names}


def outcomes(result: running.Result) -> dict[str, str]:
    return {part["part"]: part["outcome"] for part in result["parts"]}


def test_a_part_that_fails_stops_neither_the_next_one_nor_the_next_step(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    found = gpu_check.check(steps("raising", "unready", "well"), CPU, tmp_path, variables)["steps"]

    assert [found[name]["outcome"] for name in ("raising", "unready", "well")] == ["failed", "skipped", "ok"]
    expected = {"wrong": "failed", "absent": "skipped", "broken": "failed", "quoting": "failed", "after it": "ok"}
    assert outcomes(found["raising"]) == expected
    words = {part["part"]: part["found"] for part in found["raising"]["parts"]}
    assert (words["wrong"], words["absent"]) == ("8 instead of 7", "no such card")
    assert words["broken"].startswith("AttributeError, 'builtin_function_or_method' object has no attribute 'holds'")
    assert words["quoting"].startswith("ValueError, at benchmarks/gpu/child.py:")
    assert found["unready"]["parts"][0]["found"] == "nothing to work on"


def test_a_step_is_killed_at_its_limit_with_all_that_it_started(tmp_path: Path, variables: dict[str, str]) -> None:
    found = gpu_check.check(steps("hanging", limit=2) | steps("well"), CPU, tmp_path, variables)["steps"]

    assert outcomes(found["hanging"]) == {"quick": "ok", "slow": "failed"}
    assert found["hanging"]["parts"][1]["found"] == "killed at its limit of 2 s"
    assert found["well"]["outcome"] == "ok"
    started = (tmp_path / "count").read_text().removesuffix("ran ")
    status = Path(f"/proc/{started}/stat")
    assert not status.exists() or ") Z " in status.read_text()


def test_a_process_that_dies_leaves_what_it_knew(tmp_path: Path, variables: dict[str, str]) -> None:
    found = gpu_check.check(steps("dying"), CPU, tmp_path, variables)["steps"]["dying"]

    assert outcomes(found) == {"quick": "ok", "deadly": "failed"}
    assert found["parts"][1]["found"].startswith("its process left with 7")


def test_a_step_has_the_products_allocator_before_it_can_ask_a_gpu(tmp_path: Path, variables: dict[str, str]) -> None:
    plain = {name: value for name, value in variables.items() if name not in ALLOCATOR}
    found = gpu_check.check(steps("settled"), CPU, tmp_path, plain)["steps"]["settled"]

    assert found["parts"][0]["found"] == GROWING


def test_what_has_ended_is_run_again_only_if_asked_or_if_something_has_changed(
    tmp_path: Path, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def runs(**options: Any) -> int:
        found = gpu_check.check(steps("well"), CPU, tmp_path, variables, **options)
        assert found["steps"]["well"]["outcome"] == "ok"
        return (tmp_path / "count").read_text().count("ran")

    assert [runs(), runs(), runs(again=True)] == [1, 1, 2]
    monkeypatch.setattr(running, "code", lambda: "other code")
    assert runs() == 3


def test_no_step_begins_that_may_end_too_late(tmp_path: Path, variables: dict[str, str]) -> None:
    asked = steps("unready", limit=600) | steps("well", limit=30)

    assert list(gpu_check.check(asked, CPU, tmp_path, variables, minutes=5)["steps"]) == ["well"]


def test_the_key_of_a_result_has_device_and_packages() -> None:
    found = {"device": "T4", "versions": {"torch": "2.13.0"}}
    keys = {running.key(found, CPU), running.key(found, CPU)}
    assert len(keys) == 1
    for other in ({"device": "L4"}, {"versions": {"torch": "2.12.0"}}):
        assert running.key(found | other, CPU) not in keys


def test_the_table_has_every_claim_device_version_and_part(tmp_path: Path, variables: dict[str, str]) -> None:
    asked = steps("raising", "well")
    found = gpu_check.check(asked, CPU, tmp_path, variables)
    found["machine"] |= {"device": "a card", "memory_gb": 24.0, "cuda": "13.0", "versions": {"torch": "2.11.0+cu130"}}

    lines = report.table(found, asked | steps("unready")).splitlines()

    assert lines[0].startswith("a card (24.0 GB, CUDA 13.0), commit ")
    assert "torch 2.11.0+cu130." in lines[0]
    assert lines[1] == "Not the versions of the lock: torch 2.11.0+cu130 instead of 2.13.0."
    seconds = f"{found['steps']['well']['seconds']:.0f} s"
    assert lines[-3:] == [
        f"| **well** | well holds | **ok** | {seconds} |",
        "|  | a part | ok | 7 s |",
        "| **unready** | unready holds | not yet run on a GPU |  |",
    ]
    assert json.loads((tmp_path / "gpu-check.json").read_text(encoding="utf-8"))["steps"] == found["steps"]


def test_the_page_has_the_steps_and_what_has_run() -> None:
    text = report.PAGE.read_text(encoding="utf-8")
    kept = json.loads(report.KEPT.read_text(encoding="utf-8")) if report.KEPT.exists() else None

    assert report.page(text, kept) == text, "python benchmarks/gpu_check.py --page writes it anew"
    for step in STEPS.values():
        assert step.claim in text


def test_a_run_on_a_cpu_is_no_evidence(tmp_path: Path) -> None:
    path = tmp_path / "gpu-check.json"
    path.write_text(json.dumps({"machine": {"device": "cpu"}, "steps": {}}), encoding="utf-8")

    with pytest.raises(SystemExit, match="expected a run on a GPU"):
        report.keep(path)


def test_every_step_names_a_function_that_is_there() -> None:
    for step in STEPS.values():
        module, _, function = step.parts.partition(":")
        source = (ROOT / "benchmarks" / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
        assert f"\ndef {function}(setting: Setting) -> Iterator[Part]:" in source


def test_a_part_of_the_wheels_is_never_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheels, "PART", 10)
    files = [tmp_path / f"{number}.whl" for number in range(5)]
    for file, size in zip(files, (3, 6, 4, 7, 1), strict=True):
        file.write_bytes(b"x" * size)

    found = [[len(file.read_bytes()) for file in part] for part in wheels.parts(files)]

    assert found == [[7, 3], [6, 4], [1]]
    files[0].write_bytes(b"x" * 11)
    with pytest.raises(SystemExit, match=r"0\.whl: expected at most 10 bytes, found 11"):
        wheels.parts(files)


def test_a_wheel_goes_along_with_one_library_and_is_found(tmp_path: Path) -> None:
    wheel = tmp_path / "1/some-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in ("__init__.py", "lib_a.so", "lib_b.so"):
            archive.writestr(f"some/{name}", "answer = 7")

    wheels.without(wheel, "lib_b.so")
    wheels.unpack(tmp_path, tmp_path / "packages")

    assert sorted(os.listdir(tmp_path / "packages/some")) == ["__init__.py", "lib_b.so"]
    assert running.environment(tmp_path / "packages")["PYTHONPATH"].startswith(f"{tmp_path / 'packages'}:")


def test_the_wheels_are_those_of_the_lock() -> None:
    lines = (ROOT / "requirements/gpu.txt").read_text(encoding="utf-8").splitlines()
    assert set(wheels.PACKAGES) <= {line.split("==")[0] for line in lines}
