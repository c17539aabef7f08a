"""From the trainer to a machine without training data and back, over a real server that may die on the way."""

import hashlib
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from support import sshd, tiny
from support.faults import Heard
from support.tally import Tally

pytestmark = pytest.mark.stage

OBJECTS = "files/md5"
"""Where DVC keeps files by their hash, on a remote and in a cache."""
MODEL, MODEL_STAGE, OTHER = "models/sc1_minilm/0", "train_sc_1@sc1_minilm-0", "models/sc1_minilm/1"
BROKE_OFF = r"left with (1|255):[\s\S]*ERROR: [^\n]*(Connection|Connect call failed)"
"""What a command is to end with whose server died."""
INFERENCE = {"prepare_new", "infer_t4_sc", "infer_t4_ar", "infer_t4"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[sshd.Server]:
    if sshd.MISSING:
        pytest.skip(sshd.MISSING)
    with sshd.serving(tmp_path / "server") as running:
        yield running


@pytest.fixture
def trainer(copy: Callable[[], tiny.Project], server: sshd.Server) -> tiny.Project:
    project = copy()
    project.run(*tiny.make("remote", URL=server.url))
    project.write_params(project.params() | {"trusted_remote": "store"})
    project.commit()
    log_in(project, server)
    return project


def log_in(project: tiny.Project, server: sshd.Server) -> None:
    """What differs from user to user stays out of git."""
    for key, value in (("user", server.user), ("keyfile", str(server.key))):
        project.run("dvc", "remote", "modify", "--local", "trusted-store", key, value)


def spare_backbone(project: tiny.Project) -> str:
    """Give the project a backbone that no model is built on, only a writer; returns its folder."""
    source, params = project.folder / "tiny/spare", project.params()
    shutil.copytree(project.folder / "tiny/decoder", source)
    (source / "config.json").write_text((source / "config.json").read_text() + "\n", encoding="utf-8")
    params["backbones"]["spare"] = tiny.backbone(source)
    params["writers"]["smollm2"]["backbone"] = "spare"
    project.write_params(params)
    project.run("dvc", "repro", "fetch_backbone", "pin_backbone", "pin_writer")
    project.commit()
    project.run("git", "push", "-q")
    return "models/backbones/spare"


def names(project: tiny.Project, *folders: str) -> set[str]:
    """What DVC calls the files below some folders; those of git there begin with a dot."""
    files = (path for folder in folders for path in (project.folder / folder).rglob("[!.]*") if path.is_file())
    return {hashlib.md5(path.read_bytes()).hexdigest() for path in files}


def held(place: Path) -> dict[str, bytes]:
    """Name -> content of all that a remote or a cache holds, without what broken transfers leave beside it."""
    files = (path for path in (place / OBJECTS).rglob("*") if path.is_file() and path.suffix != ".tmp")
    return {path.parent.name + path.name: path.read_bytes() for path in files}


def arrived(server: sshd.Server) -> dict[str, bytes]:
    """All that the server stores, without what broken transfers leave beside it."""
    return {path: bytes_ for path, bytes_ in content(server.store).items() if not path.endswith(".tmp")}


def torsos(place: Path) -> list[str]:
    """Names of files that hold something else than their names say."""
    return [
        name for name, content in held(place).items() if hashlib.md5(content).hexdigest() != name.removesuffix(".dir")
    ]


def kept(place: Path, file: Path) -> Path:
    """Where a remote or a cache has `file`."""
    name = hashlib.md5(file.read_bytes()).hexdigest()
    return place / OBJECTS / name[:2] / name[2:]


def cache(project: tiny.Project) -> Path:
    return project.folder / ".dvc/cache"


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_trainer_hands_over_and_blends_what_comes_back(
    trainer: tiny.Project, server: sshd.Server, tmp_path: Path
) -> None:
    repository, corpus = str(tmp_path / "repository.git"), tmp_path / "corpus"
    tiny.write_corpus(corpus, cases=20, new=6, seed=6)
    new = corpus / "test_features.csv"
    trainer.run("git", "init", "-q", "--bare", repository)
    trainer.run("git", "remote", "add", "origin", repository)
    trainer.run("git", "push", "-qu", "origin", "HEAD")
    spare = spare_backbone(trainer)
    trainer.run(*tiny.make("push"))
    pushed = held(server.store)
    assert names(trainer, spare) <= pushed.keys()
    assert content(cache(trainer) / "runs") == content(server.store / "runs") != {}

    (tmp_path / "t4").mkdir()
    trainer.run("git", "clone", "-q", repository, str(tmp_path / "t4/project"))
    t4 = tiny.Project(tmp_path / "t4/project", trainer.environment)
    t4.run("git", "config", "user.email", "t4@localhost")
    t4.run("git", "config", "user.name", "t4")
    log_in(t4, server)
    t4.run(*tiny.make("new-cases", FROM=new))
    assert {name.split("@")[0] for name in t4.ran(*tiny.make("predict"))} == INFERENCE

    pulled = {name for name in held(cache(t4)) if name in pushed and not name.endswith(".dir")}
    assert pulled == names(t4, "models")
    assert len(pulled) == 39
    assert not (t4.folder / spare).exists()
    assert not pulled & names(trainer, "data/prepared", "data/predictions")
    assert content(t4.folder / "data/prepared").keys() == {"new_cases.parquet"}
    assert content(t4.folder / "data/raw/marked").keys() <= {
        "test_features.csv",
        "test_labels.csv",
        "submission_format.csv",
    }

    t4.run(*tiny.make("hand-back"))
    t4.run(*tiny.make("hand-back"))  # as after an interruption
    assert t4.run("git", "diff", "--name-only", "HEAD~1").split() == ["dvc.lock"]
    files = [path for path in server.store.rglob("*") if path.is_file()]
    assert not [path for path in files if tiny.words_in(path)]
    assert not [path for path in files if path.stat().st_mode & 0o077]

    trainer.run("git", "pull", "-q")
    trainer.run(*tiny.make("new-cases", FROM=new))
    assert trainer.ran(*tiny.make("blend")) == ["prepare_new", "find_copies", "baseline", "ensemble", "evaluate"]
    submitted = pd.read_csv(trainer.folder / "data/predictions/submission.csv")
    assert sorted(submitted["uid"]) == sorted(pd.read_csv(new)["uid"])

    there = {name: bytes_ for name, bytes_ in t4.predictions().items() if name.startswith(("new/", "infer_t4"))}
    assert len(there) == 7
    trainer.run("dvc", "repro", "--force", "--single-item", "infer_t4_sc", "infer_t4_ar", "infer_t4")
    assert there.items() <= trainer.predictions().items()


def test_a_shared_folder_serves_a_group(copy: Callable[[], tiny.Project], tmp_path: Path) -> None:
    project, store = copy(), tmp_path / "store"
    project.run(*tiny.make("remote", URL=store))
    project.run("dvc", "remote", "modify", "trusted-store", "shared", "group")
    project.write_params(project.params() | {"trusted_remote": "store"})
    project.run(*tiny.make("push"))
    held = list((store / "files").rglob("*"))
    assert {path.stat().st_mode & 0o070 for path in held if path.is_dir()} == {0o070}
    assert {path.stat().st_mode & 0o070 for path in held if path.is_file()} == {0o040}
    assert torsos(store) == []
    assert not [path for path in store.rglob("*") if path.is_file() and tiny.words_in(path)]


@pytest.mark.reliability
def test_a_push_goes_on_where_the_server_died(
    trainer: tiny.Project, server: sshd.Server, heard: Heard, tally: Tally
) -> None:
    trainer.run("dvc", "push", "--run-cache")
    whole = content(server.store)
    budgets = (3_000, 120_000, 500, 30_000, 60_000, 180_000) if tally.thorough else (3_000, 120_000)
    left_over = 0
    for budget in budgets:
        server.stop()
        shutil.rmtree(server.store)
        with tally.trial("faults"):
            server.start(dies_after=budget)
            with pytest.raises(AssertionError, match=BROKE_OFF) as broke:
                trainer.run("dvc", "push")
            heard(str(broke.value))
            assert server.died()
            left_over += len([*server.store.rglob("*.tmp")])
            assert torsos(server.store) == []
            server.stop()
            server.start()
            trainer.run("dvc", "push", "--run-cache")
            assert arrived(server) == whole
    assert left_over, "the server died in the middle of no file; other budgets are needed"


@pytest.mark.reliability
def test_a_pull_goes_on_where_the_server_died(
    trainer: tiny.Project, server: sshd.Server, heard: Heard, tally: Tally
) -> None:
    """Of two files to fetch, DVC calls the second one fetched even if the server died in it, unless it verifies."""
    trainer.run("dvc", "push")
    model = content(trainer.folder / MODEL)
    objects = [
        kept(cache(trainer), trainer.folder / MODEL / name) for name in ("model.backbone.safetensors", "config.json")
    ]
    for seed in "123456" if tally.thorough else "23":  # which of them comes second hangs on it
        trainer.environment["PYTHONHASHSEED"] = seed
        for path in objects:
            path.unlink()
        shutil.rmtree(trainer.folder / MODEL)
        server.stop()
        with tally.trial("faults"):
            server.start(dies_after=100_000)
            with pytest.raises(AssertionError, match=BROKE_OFF) as broke:
                trainer.run("dvc", "pull", MODEL_STAGE)
            heard(str(broke.value))
            assert server.died()
            assert torsos(cache(trainer)) == []
            server.stop()
            server.start()
            trainer.run("dvc", "pull", MODEL_STAGE)
            assert content(trainer.folder / MODEL) == model


@pytest.mark.reliability
def test_what_is_damaged_or_lost_on_the_server_is_refused_and_sent_again(
    trainer: tiny.Project, server: sshd.Server, heard: Heard, tally: Tally
) -> None:
    trainer.run("dvc", "push")
    whole = content(server.store)
    assert f"{len(whole)} files, all whole" in trainer.run(*tiny.make("check-remote"))
    weights = trainer.folder / MODEL / "model.backbone.safetensors"
    damaged, lost = kept(server.store, weights), kept(server.store, trainer.folder / OTHER / "head.safetensors")
    with tally.trial("faults"):
        damaged.write_bytes(damaged.read_bytes()[:1000])
        lost.unlink()
        mine = kept(cache(trainer), weights)
        lent = mine.rename(trainer.folder.parent / "lent")
        shutil.rmtree(trainer.folder / MODEL)
        with pytest.raises(AssertionError, match=f":\n{MODEL}") as failed:
            trainer.run("dvc", "pull", MODEL_STAGE)
        heard(str(failed.value))
        assert not (trainer.folder / MODEL).exists()

        lent.rename(mine)
        with pytest.raises(AssertionError, match="removed 1 that are not and the lists of 2 folders that lack files"):
            trainer.run(*tiny.make("check-remote"))
        trainer.run("dvc", "push")
        assert content(server.store) == whole


@pytest.mark.reliability
def test_a_killed_push_is_started_again(trainer: tiny.Project, server: sshd.Server, tally: Tally) -> None:
    trainer.run("dvc", "push", "--run-cache")
    whole = content(server.store)
    for number, share in moments(tally):
        shutil.rmtree(server.store)
        with tally.trial("kills"):
            kill(trainer, number, [server.store], share * len(whole), "dvc", "push", "--run-cache")
            assert torsos(server.store) == []
            trainer.run("dvc", "push", "--run-cache")
            assert arrived(server) == whole


@pytest.mark.reliability
def test_a_killed_pull_is_started_again(trainer: tiny.Project, tally: Tally) -> None:
    trainer.run("dvc", "push")
    models = trainer.folder / "models"
    for unused in ("ensemble", "writers"):
        shutil.rmtree(models / unused)
    whole = content(models)
    for number, share in moments(tally):
        for folder in (cache(trainer), *(path for path in models.iterdir() if path.is_dir())):
            shutil.rmtree(folder)
        with tally.trial("kills"):
            # Everything arrives in the cache first, then at its place.
            kill(trainer, number, [cache(trainer), models], share * 2 * len(whole), *tiny.make("pull"))
            assert torsos(cache(trainer)) == []
            trainer.run(*tiny.make("pull"))
            assert content(models) == whole


def moments(tally: Tally) -> list[tuple[signal.Signals, float]]:
    """How to kill a transfer, and after which share of its files."""
    drawn = random.Random(20)
    signals = (signal.SIGTERM, signal.SIGKILL) * (4 if tally.thorough else 1)
    return [(number, drawn.uniform(0, 0.8)) for number in signals]


def kill(project: tiny.Project, number: signal.Signals, places: list[Path], files: float, *command: str) -> None:
    """Start a command and kill it, with what it started, as soon as some places hold so many files."""
    process = project.start(*command)
    while sum(map(count, places)) < files:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.005)
    os.killpg(process.pid, number)
    process.wait()


def count(place: Path) -> int:
    """Files below a folder, whole or not."""
    return sum(len(files) for _, _, files in os.walk(place))
