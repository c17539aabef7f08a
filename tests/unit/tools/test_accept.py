"""New code is recorded for the outputs there are where nothing else changed; on a real DVC project of two stages."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import accept
import pytest
import yaml
from dvc.repo import Repo

GREEN, RED = ("true",), ("false",)
PIPELINE = """
stages:
  first:
    cmd: sh stages/first.sh
    params: [size]
    deps: [stages/first.sh, src/tool/a.sh, src/tool/b.sh, data/given.txt]
    outs: [data/middle.txt]
  second:
    cmd: sh stages/second.sh
    deps: [stages/second.sh, data/middle.txt]
    outs: [data/end.txt]
    metrics: [metrics/end.txt: {cache: false}]
"""
FILES = {
    "dvc.yaml": PIPELINE,
    "params.yaml": "size: 3\n",
    ".gitignore": "/data/middle.txt\n/data/end.txt\nruns.txt\n",
    "stages/first.sh": "echo first >>runs.txt; cat data/given.txt src/tool/*.sh >data/middle.txt\n",
    "stages/second.sh": "echo second >>runs.txt; cp data/middle.txt data/end.txt; echo 1 >metrics/end.txt\n",
    "src/tool/a.sh": "a\n",
    "src/tool/b.sh": "b\n",
    "data/given.txt": "given\n",
    "metrics/.gitkeep": "",
}

Edit = Callable[..., None]


def git(*command: str) -> str:
    return subprocess.run(["git", *command], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Edit:
    """A project that ran; the function writes files of it and commits."""
    monkeypatch.chdir(tmp_path)
    for variable in ("GIT_AUTHOR", "GIT_COMMITTER"):
        monkeypatch.setenv(f"{variable}_NAME", "t")
        monkeypatch.setenv(f"{variable}_EMAIL", "t@t.t")
    git("init", "-q")
    Repo.init().close()

    def write(files: dict[str, str]) -> None:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        git("add", "-A")
        git("commit", "-q", "-m", "Edit")

    write(FILES)
    with Repo() as repo:
        repo.reproduce()
    write({})
    return write


def state() -> tuple[str, list[str]]:
    """What is recorded, and git's commits."""
    return accept.LOCK.read_text(encoding="utf-8"), git("log", "--format=%H").split()


def unchanged() -> bool:
    with Repo() as repo:
        return not repo.status()


def refused(*words: str) -> None:
    """Accepting says these words and leaves everything as it was."""
    before = state()
    with pytest.raises(accept.AcceptError) as error:
        accept.accept(GREEN)
    for word in words:
        assert word in str(error.value)
    assert state() == before


NEW_CODE = {"stages/first.sh": FILES["stages/first.sh"] + "# said better\n"}


def test_new_code_is_recorded_in_a_commit_of_its_own_and_nothing_runs(edit: Edit) -> None:
    edit(NEW_CODE)
    code, outputs = git("rev-parse", "--short=12", "HEAD").strip(), Path("data/end.txt").stat()
    assert not unchanged()

    accept.accept(GREEN)

    assert unchanged()
    assert Path("runs.txt").read_text(encoding="utf-8") == "first\nsecond\n"
    assert Path("data/end.txt").stat() == outputs
    assert git("show", "--format=", "--name-only", "HEAD").split() == ["dvc.lock"]
    message = git("log", "-1", "--format=%B")
    assert message.startswith("Accept the code of 1 stages\n")
    assert code in message
    assert "first" in message.splitlines()
    assert not git("status", "--porcelain")


def test_commands_and_lists_may_change_too(edit: Edit) -> None:
    """Files folded into their folder, a dependency and a parameter more, a dependency less, another command."""
    listed = "deps: [stages/first.sh, src/tool, data/given.txt]"
    pipeline = PIPELINE.replace("deps: [stages/first.sh, src/tool/a.sh, src/tool/b.sh, data/given.txt]", listed)
    pipeline = pipeline.replace("sh stages/second.sh", "sh -e stages/second.sh")
    pipeline = pipeline.replace("deps: [stages/second.sh, data/middle.txt]", "deps: [data/middle.txt, data/given.txt]")
    edit({"dvc.yaml": pipeline.replace("[size]", "[size, shape]"), "params.yaml": "size: 3\nshape: round\n"})

    accept.accept(GREEN)

    assert unchanged()
    recorded = yaml.safe_load(accept.LOCK.read_text(encoding="utf-8"))["stages"]
    assert [dep["path"] for dep in recorded["first"]["deps"]] == ["data/given.txt", "src/tool", "stages/first.sh"]
    assert [dep["path"] for dep in recorded["second"]["deps"]] == ["data/given.txt", "data/middle.txt"]


def test_nothing_is_recorded_where_numbers_moved(edit: Edit) -> None:
    edit(NEW_CODE)
    before = state()
    with pytest.raises(accept.AcceptError, match="fixed-seed tests"):
        accept.accept(RED)
    assert state() == before


def test_without_new_code_there_is_no_commit_and_no_test(edit: Edit, capsys: pytest.CaptureFixture[str]) -> None:
    before = state()
    accept.accept(RED)
    assert state() == before
    assert "no stage has other code" in capsys.readouterr().out


def test_code_outside_of_a_commit_is_refused(edit: Edit) -> None:
    Path("src/tool/a.sh").write_text("c\n", encoding="utf-8")
    refused("src/tool/a.sh", "commit")
    git("checkout", "-q", ".")
    Path("src/tool/c.sh").write_text("c\n", encoding="utf-8")
    refused("src/tool/c.sh", "commit")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"data/given.txt": "other\n"}, "first: dependency data/given.txt is not what the stage read"),
        ({"params.yaml": "size: 4\n"}, "first: parameter size has another value"),
        ({"params.yaml": "length: 3\n"}, "first: parameter size is missing"),
        (
            {"dvc.yaml": PIPELINE.replace("data/given.txt", "data/absent.txt")},
            "first: dependency data/absent.txt is missing",
        ),
        (
            {"dvc.yaml": PIPELINE.replace("src/tool/b.sh", "src/tool/absent.sh")},
            "first: dependency src/tool/absent.sh is missing",
        ),
        (
            {"dvc.yaml": PIPELINE.replace("outs: [data/end.txt]", "outs: [data/end.txt, data/given.txt]")},
            "second: output data/given.txt was never recorded",
        ),
    ],
)
def test_other_data_and_parameters_are_refused_by_name(edit: Edit, files: dict[str, str], message: str) -> None:
    edit(NEW_CODE | files)
    refused(message)


def test_outputs_that_are_not_the_recorded_ones_are_refused_by_name(edit: Edit) -> None:
    edit(NEW_CODE)
    Path("data/middle.txt").unlink()
    Path("data/end.txt").unlink()
    Path("data/end.txt").write_text("other\n", encoding="utf-8")
    Path("metrics/end.txt").write_text("2\n", encoding="utf-8")
    refused(
        "first: output data/middle.txt is missing",
        "second: dependency data/middle.txt is missing",
        "second: output data/end.txt is not what the stage wrote",
        "second: output metrics/end.txt is not what the stage wrote",
    )


def test_a_stage_that_never_ran_is_left_out(edit: Edit, capsys: pytest.CaptureFixture[str]) -> None:
    third = "  third:\n    cmd: cp data/end.txt data/third.txt\n    deps: [data/end.txt]\n    outs: [data/third.txt]\n"
    edit(NEW_CODE | {"dvc.yaml": PIPELINE + third})
    accept.accept(GREEN)
    assert "third: left out" in capsys.readouterr().out
    with Repo() as repo:
        assert list(repo.status()) == ["third"]


def test_a_stage_without_a_record_whose_output_exists_is_refused(edit: Edit) -> None:
    third = "  third:\n    cmd: cp data/end.txt data/third.txt\n    deps: [data/end.txt]\n    outs: [data/third.txt]\n"
    edit({"dvc.yaml": PIPELINE + third, ".gitignore": FILES[".gitignore"] + "/data/third.txt\n"})
    Path("data/third.txt").write_text("whose?\n", encoding="utf-8")
    refused("third: output data/third.txt was never recorded")


def test_what_was_recorded_is_put_back_where_dvc_fails_halfway(edit: Edit, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(NEW_CODE | {"stages/second.sh": FILES["stages/second.sh"] + "# said better\n"})
    once = Repo.commit

    def fails(repo: Repo, name: str, **options: object) -> None:
        if name == "second":
            raise OSError
        once(repo, name, **options)

    monkeypatch.setattr(Repo, "commit", fails)
    before = state()
    with pytest.raises(OSError):
        accept.accept(GREEN)
    assert state() == before
