"""What DVC writes in place is mended after a cut at any byte."""

import shutil
import subprocess
from pathlib import Path

import mend
import pytest
from dvc.dvcfile import Lockfile
from dvc.repo import Repo
from support import ROOT
from support.faults import Heard

STAGES = ("first", "second", "third")
WHOLE = "schema: '2.0'\nstages:\n" + "".join(
    f"  {name}:\n    cmd: python {name}.py\n    outs:\n    - path: data/{name}\n      hash: md5\n"
    f"      md5: {'a' * 31}{number}\n      size: 12\n"
    for number, name in enumerate(STAGES)
)


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "-q"], check=True)
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    shutil.copy(ROOT / ".dvc/config", tmp_path / ".dvc/config")
    return Repo()


def stages(repo: Repo) -> dict[str, object]:
    return dict(Lockfile(repo, "dvc.lock").load().get("stages", {}))


def test_a_lock_that_is_cut_off_keeps_the_stages_before_the_cut(repo: Repo) -> None:
    mend.LOCK.write_text(WHOLE, encoding="utf-8")
    whole, mended = stages(repo), 0
    for cut in range(len(WHOLE)):
        mend.LOCK.write_text(WHOLE[:cut], encoding="utf-8")
        mended += not mend.is_whole(repo)
        mend.mend_lock(repo)
        kept = stages(repo)
        finished = [name for name in STAGES if WHOLE.find(f"  {name}:") < cut and f"\n  {name}:" in WHOLE[:cut]][:-1]
        assert {name: kept[name] for name in finished} == {name: whole[name] for name in finished}, cut
    assert mended > len(WHOLE) / 5


def test_a_whole_lock_stays_as_it_is(repo: Repo) -> None:
    mend.LOCK.write_text(WHOLE, encoding="utf-8")
    mend.main()
    assert mend.LOCK.read_text(encoding="utf-8") == WHOLE


@pytest.mark.parametrize(
    "broken",
    [
        WHOLE.replace("  second:", "<<<<<<< HEAD\n  second:").replace("  third:", "=======\n  third:") + ">>>>>>> b\n",
        WHOLE.replace("    cmd: python third.py\n", "<<<<<<< HEAD\n    cmd: a\n=======\n    cmd: b\n>>>>>>> b\n"),
        WHOLE.replace("cmd: python first.py", "cmd: [python"),
    ],
    ids=["a merge with conflicts", "conflicts in the last stage", "damage in the middle"],
)
def test_what_no_kill_did_is_refused_and_left_alone(repo: Repo, broken: str, heard: Heard) -> None:
    mend.LOCK.write_text(broken, encoding="utf-8")
    with pytest.raises(mend.MendError, match="take one side whole") as refused:
        mend.main()
    heard(str(refused.value))
    assert mend.LOCK.read_text(encoding="utf-8") == broken


def dvc(*command: str) -> tuple[int, str]:
    """Exit code of a DVC command and what it prints."""
    done = subprocess.run(["dvc", *command], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_dvc_stops_at_a_list_that_is_cut_off_until_it_is_mended(repo: Repo, heard: Heard) -> None:
    Path("dvc.yaml").write_text("stages: {one: {cmd: touch made, outs: [made]}}\n", encoding="utf-8")
    mend.RUNNING.write_text('{"write": {"data/x": {"pid', encoding="utf-8")
    code, printed = dvc("repro")
    assert code and not Path("made").exists()
    heard(printed)
    mend.main()
    assert dvc("repro")[0] == 0 and Path("made").exists()


def test_dvc_stops_at_a_lock_that_is_cut_off_until_it_is_mended(repo: Repo, heard: Heard) -> None:
    Path("dvc.yaml").write_text("stages: {one: {cmd: touch made, outs: [made]}}\n", encoding="utf-8")
    mend.LOCK.write_text(WHOLE[: WHOLE.index("hash") + 4], encoding="utf-8")
    code, printed = dvc("repro")
    assert code and not Path("made").exists()
    heard(printed)
    mend.main()
    assert dvc("repro")[0] == 0 and Path("made").exists()


@pytest.mark.parametrize("text", ["", '{"write": {"data/x": {"pid'])
def test_a_list_of_running_commands_that_is_cut_off_goes(repo: Repo, text: str) -> None:
    mend.RUNNING.write_text(text, encoding="utf-8")
    mend.main()
    assert not mend.RUNNING.exists()


def test_a_whole_list_stays(repo: Repo) -> None:
    mend.RUNNING.write_text("{}", encoding="utf-8")
    mend.main()
    assert mend.RUNNING.exists()


def test_nothing_is_touched_while_another_dvc_runs(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    mend.RUNNING.write_text("", encoding="utf-8")
    holder = subprocess.Popen(
        ["python", "-c", "from dvc.repo import Repo\nwith Repo().lock:\n print('held', flush=True)\n input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
    mend.main()
    holder.communicate(b"\n")
    assert mend.RUNNING.exists()
    assert "another DVC is running" in capsys.readouterr().out
