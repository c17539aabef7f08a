"""The archive of `make t4-bundle`: unpacked in an empty folder, with only the pinned packages and no network."""

import importlib.metadata
import io
import json
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import t4_bundle
from support import tally as tallies
from support import tiny
from support.faults import Heard

from abstractor.base.errors import UserError
from abstractor.base.params import Params
from abstractor.data.cases import codebook
from abstractor.runs.integrity import write_seal
from abstractor.scoring.ensemble import submission

pytestmark = pytest.mark.stage

ADAPTER = "models/ar_smollm2/1/adapter_model.safetensors"


@dataclass
class Unpacked:
    """A folder that the archive was unpacked to, and the Python that it is run with."""

    folder: Path
    python: Path

    def start(self) -> subprocess.Popen[str]:
        """Run main.py from elsewhere; without a network and with data/ read-only, where the machine can do that."""
        alone = [*ALONE, self.folder / "data"] if NAMESPACES else []
        return subprocess.Popen(
            [*alone, self.python, "-I", self.folder / "main.py"],
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def predict(self) -> subprocess.CompletedProcess[str]:
        run = self.start()
        printed, complaint = run.communicate()
        return subprocess.CompletedProcess(run.args, run.returncode, printed, complaint)

    def submission(self) -> bytes:
        return (self.folder / "submission.csv").read_bytes()


ALONE = ("unshare", "-rnm", "sh", "-ec", 'mount --bind "$0" "$0"; mount -o remount,bind,ro "$0"; exec "$@"')
"""Followed by the folder that may only be read, and the command."""


def _namespaces(folder: str = str(Path(__file__).parent)) -> bool:
    return bool(shutil.which("unshare")) and not subprocess.run([*ALONE, folder, "true"], check=False).returncode


NAMESPACES = _namespaces()


@pytest.fixture(scope="module")
def archive(finished: tiny.Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("built") / "t4-bundle.tar"
    finished.run("python", "tools/t4_bundle.py", "--out", str(path))
    return path


@pytest.fixture(scope="module")
def pinned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of the packages that requirements/cpu.txt lists and no other, this project for one."""
    folder = tmp_path_factory.mktemp("pinned")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    target = next((folder / "lib").glob("python3*/site-packages"))
    lock = (tiny.ROOT / "requirements/cpu.txt").read_text(encoding="utf-8")
    for name in re.findall(r"^([\w.-]+)==", lock, re.MULTILINE):
        package = importlib.metadata.distribution(name)
        for top in {path.parts[0] for path in package.files or [] if path.parts[0] not in ("..", "__pycache__")}:
            link, source = target / top, Path(str(package.locate_file(top)))
            if not link.exists() and source.exists():
                link.symlink_to(source)
    return folder / "bin/python"


@pytest.fixture
def unpacked(archive: Path, pinned: Path, finished: tiny.Project, tmp_path: Path) -> Unpacked:
    """The archive, with the pipeline's new cases as they were delivered."""
    folder = tmp_path / "t4"
    folder.mkdir()
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    (folder / "data").mkdir()
    for name in ("test_features.csv", "submission_format.csv"):
        shutil.copy(finished.folder / "tiny/corpus" / name, folder / "data")
    (folder / "data/notes.txt").write_text("The user's own.\n", encoding="utf-8")
    return Unpacked(folder, pinned)


def of_the_models(finished: tiny.Project, scratch: Path) -> bytes:
    """What the pipeline decides by its models alone, in the layout asked for."""
    book = codebook.load(tiny.ROOT / "data/codebooks/nvdrs_youth.yaml")
    decided = submission.read_systems(finished.folder / "data/predictions/decisions.parquet", book)["models"]
    layout = finished.folder / "tiny/corpus/submission_format.csv"
    submission.write(scratch / "expected.csv", submission.arranged(decided, book, layout))
    return (scratch / "expected.csv").read_bytes()


def test_its_submission_is_the_pipelines(unpacked: Unpacked, finished: tiny.Project) -> None:
    assert subprocess.run([unpacked.python, "-I", "-c", "import abstractor"], check=False, stderr=-3).returncode == 1
    done = unpacked.predict()
    assert done.returncode == 0, done.stderr
    assert unpacked.submission() == of_the_models(finished, unpacked.folder)
    assert done.stdout.count("attention: ") == 1, "the two adapters share one loading of their backbone"
    assert not any(marker in done.stdout + done.stderr for marker in tiny.MARKERS)
    holders = {path for path in unpacked.folder.rglob("*") if path.is_file() and tiny.words_in(path)}
    assert holders == {unpacked.folder / "data/test_features.csv"}


@pytest.mark.reliability
def test_a_killed_run_is_started_again(unpacked: Unpacked, finished: tiny.Project, tally: tallies.Tally) -> None:
    models = ("sc1_minilm/0", "sc2_minilm/1", "ar_smollm2/0")
    for reached in models if tally.thorough else models[-1:]:
        with tally.trial("kills"):
            run = unpacked.start()
            while run.poll() is None and not list(unpacked.folder.glob(f".scratch/runs/bundle/*/{reached}/*.parquet")):
                time.sleep(0.01)
            run.kill()
            run.communicate()
            assert run.returncode == -signal.SIGKILL
            assert not (unpacked.folder / "submission.csv").exists()
    assert unpacked.predict().returncode == 0
    assert unpacked.submission() == of_the_models(finished, unpacked.folder)
    left = {str(path.relative_to(unpacked.folder)) for path in unpacked.folder.rglob("*.parquet")}
    assert left == set(), "neither checked cases nor parts of predictions stay behind"


def test_without_a_format_rows_are_as_delivered_and_columns_as_in_the_codebook(
    unpacked: Unpacked, finished: tiny.Project
) -> None:
    (unpacked.folder / "data/submission_format.csv").unlink()
    shuffled = pd.read_csv(unpacked.folder / "data/test_features.csv").iloc[::-1]
    shuffled.to_csv(unpacked.folder / "data/test_features.csv", index=False)
    assert unpacked.predict().returncode == 0
    found = pd.read_csv(unpacked.folder / "submission.csv")
    book = codebook.load(tiny.ROOT / "data/codebooks/nvdrs_youth.yaml")
    expected = pd.read_csv(io.BytesIO(of_the_models(finished, unpacked.folder)))
    wanted = expected.set_index("uid").loc[shuffled["uid"], list(book.names)].reset_index()
    pd.testing.assert_frame_equal(found, wanted)


@pytest.mark.reliability
def test_a_damaged_input_is_refused_without_case_text(unpacked: Unpacked, tally: tallies.Tally) -> None:
    features, layout = unpacked.folder / "data/test_features.csv", unpacked.folder / "data/submission_format.csv"
    whole, asked = features.read_text(encoding="utf-8"), layout.read_text(encoding="utf-8")
    spoilt = {
        "a quote is not closed": (whole + '"', asked),
        "the same uid as row 1": (whole + whole.split("\n", 1)[1], asked),
        "the header has no column NarrativeCME": (whole.replace("NarrativeCME", "Narrative", 1), asked),
        "cases have no row": (whole, asked.rsplit("\n", 2)[0] + "\n"),
        "test_features.csv is missing": (None, asked),
    }
    for message, (cases, order) in spoilt.items() if tally.thorough else list(spoilt.items())[-3:]:
        with tally.trial("inputs"):
            features.unlink(missing_ok=True)
            if cases is not None:
                features.write_text(cases, encoding="utf-8")
            layout.write_text(order, encoding="utf-8")
            done = unpacked.predict()
            assert done.returncode == 2, done.stderr
            assert message in done.stderr
            assert not any(marker in done.stdout + done.stderr for marker in tiny.MARKERS)
            assert not (unpacked.folder / "submission.csv").exists()


@pytest.mark.reliability
def test_a_damaged_bundle_is_refused_by_the_name_of_the_file(
    unpacked: Unpacked, heard: Heard, tally: tallies.Tally
) -> None:
    def cut(path: Path) -> None:
        path.write_bytes(path.read_bytes()[:-1])

    def swap(path: Path) -> None:
        shutil.copy(path.parents[1] / "0" / path.name, path)

    for harm in (cut, swap, Path.unlink):
        with tally.trial("faults"):
            path = unpacked.folder / ADAPTER
            whole = path.read_bytes()
            harm(path)
            done = unpacked.predict()
            assert done.returncode == 2
            assert f"{ADAPTER} is " in done.stderr
            heard(done.stderr)
            path.write_bytes(whole)
    with tally.trial("faults"):
        (unpacked.folder / "models/sc1_minilm/0/pytorch_model.bin").touch()
        printed = unpacked.predict().stderr
        assert "models/sc1_minilm/0/pytorch_model.bin is not" in printed
        heard(printed)


@pytest.mark.reliability
def test_a_format_that_is_spoilt_meanwhile_costs_no_scoring(
    unpacked: Unpacked, finished: tiny.Project, tally: tallies.Tally
) -> None:
    layout, scratch = unpacked.folder / "data/submission_format.csv", unpacked.folder / ".scratch/runs/bundle"
    whole = layout.read_text(encoding="utf-8")
    with tally.trial("faults"):
        run = unpacked.start()
        while run.poll() is None and not list(scratch.rglob("*.parquet")):
            time.sleep(0.01)
        layout.write_text(whole.rsplit("\n", 2)[0] + "\n", encoding="utf-8")
        complaint = run.communicate()[1]
        assert run.returncode == 2
        assert "found none for 1 of them" in complaint
        scored = {path.parent.relative_to(scratch).parts[1:] for path in scratch.rglob("*.parquet")}
        assert scored == {(name, fold) for name in ("sc1_minilm", "sc2_minilm", "ar_smollm2") for fold in "01"}
        layout.write_text(whole, encoding="utf-8")
        assert unpacked.predict().returncode == 0
    assert unpacked.submission() == of_the_models(finished, unpacked.folder)


@pytest.mark.reliability
def test_a_missing_package_is_named(unpacked: Unpacked, tmp_path: Path, tally: tallies.Tally) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    with tally.trial("faults"):
        done = Unpacked(unpacked.folder, tmp_path / "bare/bin/python").predict()
        assert done.returncode == 2
        assert re.search(r"expected the package \w+, found none; install what requirements/cpu.txt", done.stderr)


def test_it_holds_what_predicting_needs_and_no_case(archive: Path) -> None:
    assert archive.stat().st_mode & 0o777 == 0o600
    with tarfile.open(archive) as tar:
        entries = tar.getmembers()
    names = [entry.name for entry in entries]
    assert {entry.mode for entry in entries} == {0o600}
    assert names[1:] == sorted(set(names[1:])) and not any(name.startswith(("/", "..")) for name in names)
    assert {Path(name).suffix for name in names} == {".json", ".jinja", ".md", ".py", ".safetensors", ".txt", ".yaml"}
    assert not any(name.startswith("data/") for name in names) and "codebooks/marked.yaml" in names
    assert not any(marker.encode() in archive.read_bytes() for marker in tiny.MARKERS)
    assert {name for name in names if name.startswith("models/backbones/") and name.endswith(".safetensors")} == {
        "models/backbones/decoder/model.safetensors"  # the classifiers have weights of their own
    }
    assert "src/abstractor/sc/train.py" not in names


def test_a_second_one_has_the_same_bytes(
    archive: Path, finished: tiny.Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(finished.folder)
    files = t4_bundle.gathered(Params())
    t4_bundle.write(tmp_path / "again.tar", dict(reversed(files.items())))
    assert (tmp_path / "again.tar").read_bytes() == archive.read_bytes()


@pytest.mark.reliability
def test_what_is_missing_or_damaged_is_refused_with_the_command_that_makes_it(
    copy: Callable[[], tiny.Project], monkeypatch: pytest.MonkeyPatch, tally: tallies.Tally
) -> None:
    monkeypatch.chdir(copy().folder)
    missing = {
        ADAPTER: "adapter_model.safetensors changed, missing.*checkout --force models/ar_smollm2/1",
        "models/sc2_minilm/0/classifier.json": "classifier.json changed, missing.*pull --force models/sc2_minilm/0",
        "models/backbones/decoder/config.json": "models/backbones/decoder is missing.*repro fetch_backbone@decoder",
        "models/sc1_minilm/backbone.json": "sc1_minilm/backbone.json is missing.*pull models/sc1_minilm/backbone.json",
        "models/ensemble/blend.json": "models/ensemble/blend.json is missing.*dvc pull ensemble",
    }
    cut = {
        ADAPTER: "adapter_model.safetensors changed.*dvc checkout --force models/ar_smollm2/1",
        "models/backbones/decoder/tokenizer.json": "tokenizer.json changed.*checkout --force models/backbones/decoder",
    }
    for content, harmed in ((None, missing), (slice(-1), cut)):
        for name, message in harmed.items():
            with tally.trial("faults"):
                path, whole = Path(name), Path(name).read_bytes()
                path.unlink() if content is None else path.write_bytes(whole[content])
                with pytest.raises(UserError, match=message):
                    t4_bundle.gathered(Params())
                path.write_bytes(whole)
    with tally.trial("faults"):
        Path("models/sc1_minilm/0/optimizer.pt").touch()
        with pytest.raises(UserError, match=r"optimizer\.pt is no file of a model folder"):
            t4_bundle.gathered(Params())
    Path("models/sc1_minilm/0/optimizer.pt").unlink()
    t4_bundle.gathered(Params())


def test_the_backbone_of_a_classifiers_adapter_travels_with_its_weights(
    copy: Callable[[], tiny.Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copy().folder)
    for fold in ("0", "1"):
        folder = Path("models/sc1_minilm") / fold
        for path in Path("models/ar_smollm2", fold).iterdir():
            shutil.copy(path, folder)
        reading = json.loads((folder / "classifier.json").read_text(encoding="utf-8"))
        (folder / "classifier.json").write_text(json.dumps(reading | {"adapter": True}), encoding="utf-8")
        (folder / "seal.json").unlink()
        write_seal(folder, folder)
    assert "models/backbones/encoder/model.safetensors" in t4_bundle.gathered(Params())
