"""Pushing is refused in words until a remote is trusted, and no careless value of the parameter trusts one."""

import shutil
import subprocess
from pathlib import Path

import check_remote
import pull
import push
import pytest
import yaml
from dvc.exceptions import DvcException
from dvc.repo import Repo
from support import ROOT, faults

from abstractor.base.params import ParamsError
from abstractor.base.yaml_file import read_yaml


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The pipeline, with a default remote that nobody trusts."""
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "-q"], check=True)
    Path(".dvc").mkdir()
    for name in ("dvc.yaml", ".dvc/config"):
        shutil.copy(ROOT / name, tmp_path / name)
    local = "[core]\n    remote = store\n['remote \"store\"']\n    url = ../store\n"
    (tmp_path / ".dvc/config.local").write_text(local, encoding="utf-8")
    return tmp_path


def trust(value: object) -> None:
    params = read_yaml(ROOT / "params.yaml")
    Path("params.yaml").write_text(yaml.safe_dump(params | {"trusted_remote": value}), encoding="utf-8")


@pytest.mark.parametrize(
    ("value", "message"),
    [("none", "trusted_remote is none"), ("store", "DVC knows no remote trusted-store"), ("se cret", "trusted_remote")],
)
def test_a_remote_that_is_not_trusted_is_refused(project: Path, value: str, message: str) -> None:
    trust(value)
    with pytest.raises((push.PushError, ParamsError), match=message):
        push.main()


@pytest.mark.parametrize("name", ["store", "trusted-store"])
def test_a_remote_that_was_added_without_verify_is_named(project: Path, name: str, heard: faults.Heard) -> None:
    """By `dvc remote add`, where `make remote` would have set it: pushing, pulling and checking refuse it alike."""
    trust("store")
    config = "[core]\n    remote = store\n"
    for remote in ("store", "trusted-store"):
        config += f"['remote \"{remote}\"']\n    url = ../{remote}\n" + (
            "    verify = true\n" if remote != name else ""
        )
    Path(".dvc/config.local").write_text(config, encoding="utf-8")
    for tool in (push, pull, check_remote):
        with pytest.raises(push.PushError, match=f"remote {name}: .* `dvc remote modify {name} verify true`") as caught:
            tool.main()
        heard(str(caught.value))


@pytest.mark.parametrize("value", ["none", None, "", "None", "store"])
def test_no_careless_value_leads_to_the_default_remote(project: Path, value: object) -> None:
    trust(value)
    with Repo() as repo:
        held = {
            out.remote for out in repo.index.outs if out.annot.meta["sensitivity"] == "confidential" and out.can_push
        }
        assert len(held) == 1
        try:
            assert repo.cloud.get_remote(held.pop()).path.startswith("/dev/null/")
        except DvcException as error:
            assert "doesn't exist" in str(error)
