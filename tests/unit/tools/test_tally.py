import json
import os
import subprocess

import pytest
from support import ROOT, tally, tiny


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Tests of their own, with this project's options."""
    root = ROOT / "tests"
    monkeypatch.setenv("PYTHONPATH", f"{root}:{ROOT / 'src'}")
    pytester.makeconftest((root / "conftest.py").read_text(encoding="utf-8"))
    return pytester


def test_a_block_that_raises_has_not_survived() -> None:
    counted = tally.Tally(thorough=False)
    with counted.trial("faults"):
        pass
    with pytest.raises(ValueError), counted.trial("faults"):
        raise ValueError
    assert counted.content()["faults"] == {"tried": 2, "survived": 1}


def test_a_run_writes_what_it_counted(project: pytest.Pytester) -> None:
    project.makepyfile(
        "def test_kill(tally):\n    assert tally.thorough\n    with tally.trial('kills'):\n        raise OSError\n"
    )
    done = project.runpytest_subprocess(
        "--thorough", "--tally", "out.json", f"--rootdir={project.path}", "-p", "no:cacheprovider"
    )
    done.assert_outcomes(failed=1)
    written = json.loads((project.path / "out.json").read_text(encoding="utf-8"))
    assert written["kills"] == {"tried": 1, "survived": 0}
    assert written["network_bytes"] is None


def test_the_slow_tests_find_their_options_beside_the_last_figures() -> None:
    # pytest looks for options in testpaths only while no argument is the name of a file.
    assert (tiny.ROOT / "metrics/reliability.json").is_file()
    listing = os.environ | {"PYTEST_ADDOPTS": "--markers -p no:cacheprovider"}  # else it would run them all
    printed = subprocess.run(
        tiny.make("test-slow"), cwd=tiny.ROOT, env=listing, check=True, capture_output=True, text=True, timeout=120
    ).stdout
    assert "--thorough --tally=metrics/reliability.json" in printed and "@pytest.mark.reliability" in printed


def test_processes_do_not_count_apart(project: pytest.Pytester) -> None:
    project.makepyfile("def test_nothing():\n    assert True\n")
    done = project.runpytest_subprocess("-n", "2", "--tally", "out.json", f"--rootdir={project.path}")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*expected --tally in one process, found -n*"])
    assert not (project.path / "out.json").exists()
