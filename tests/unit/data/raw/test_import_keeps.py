"""What an import leaves as it is: the source, what others put into the target, labels, links; and what it tells."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support import faults

from abstractor.base import files
from abstractor.base.errors import UserError
from abstractor.data import install, targets
from abstractor.data.install import Imported

CODEBOOK = """dataset: tiny
unit: one death
narratives: {Police: police report, Coroner: coroner report}
variables:
- {name: Note, kind: binary, definition: "A note was left."}
"""
TRAINING = "uid,Police,Coroner,county\n" + "".join(f"t{n},Report {n}.,,X\n" for n in range(6))
LABELS = "uid,Note\n" + "".join(f"t{n},{n % 2}\n" for n in range(6))
NEW = "uid,Police,Coroner\nz,Calm.,\ny,Quiet.,\n"
CODED = "uid,Note\ny,0\nz,1\n"


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return fill(tmp_path / "from")


def fill(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name, text in {"train_features": TRAINING, "train_labels": LABELS, "test_features": NEW}.items():
        (folder / f"{name}.csv").write_text(text)
    (folder / "test_labels.csv").write_text(CODED)
    (folder / "codebook.yaml").write_text(CODEBOOK)
    return folder


def lay(source: Path | str) -> Imported:
    return install.lay_corpus("tiny", Path(source), None, Path("data"))


def lay_new(text: str) -> Imported:
    Path("new.csv").write_text(text)
    return install.lay_new_cases("tiny", Path("new.csv"), Path("data"))


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_files_of_others_stay(source: Path) -> None:
    target = Path("data/raw/tiny")
    (target / "notes").mkdir(parents=True)
    for name in ("keep.txt", "notes/keep.txt", "train_features.parquet"):
        (target / name).write_text("somebody's")
    for before in (False, True):
        assert lay(source).replaced is before
        assert len(content(target)) == 5 + 3
    assert (target / "notes/keep.txt").read_text() == "somebody's"


def test_the_source_is_never_written(source: Path, heard: faults.Heard) -> None:
    target = fill(Path("data/raw/tiny"))
    before = content(target)
    with pytest.raises(UserError, match="data/raw/tiny is read and would be written") as caught:
        lay("data/raw/tiny")
    heard(str(caught.value))
    Path("link").symlink_to("data/raw/tiny")
    with pytest.raises(UserError, match="is read and would be written"):
        lay("link")
    assert content(Path("data")) == {f"raw/tiny/{name}": text for name, text in before.items()}
    lay_codebook = Path("data/codebooks/tiny.yaml")
    lay_codebook.parent.mkdir()
    lay_codebook.write_text(CODEBOOK)
    with pytest.raises(UserError, match="is read and would be written"):
        install.lay_new_cases("tiny", target / "test_features.csv", Path("data"))
    assert content(target) == before
    for path in target.glob("*.csv"):
        path.rename(path.with_suffix(".TXT"))
    with pytest.raises(UserError, match="is read and would be written"):
        lay("data/raw/tiny")


def test_a_table_with_columns_of_others_is_not_replaced(source: Path) -> None:
    target = fill(Path("data/raw/tiny"))
    before = content(target)
    with pytest.raises(UserError, match=r"train_features\.csv has columns that the codebook does not name"):
        lay(source)
    assert content(target) == before
    (target / "train_features.csv").write_bytes(b"uid,Police\xff\n")
    with pytest.raises(UserError, match=r"train_features\.csv has columns"):
        lay(source)


def test_the_codebook_may_be_the_target_itself(source: Path) -> None:
    target = Path("data/codebooks/tiny.yaml")
    target.parent.mkdir(parents=True)
    (source / "codebook.yaml").rename(target)
    (source / "codebook.yaml").symlink_to(target.resolve())
    lay(source)
    assert target.read_text() == CODEBOOK and not target.is_symlink()


def test_another_codebook_is_kept_beside_and_a_linked_one_refused(source: Path) -> None:
    lay(source)
    edited = CODEBOOK.replace("left", "found")
    target = Path("data/codebooks/tiny.yaml")
    target.write_text(edited)
    assert "the former codebook was another; it stands in data/raw/tiny/codebook.former.yaml" in lay(source).told
    assert Path("data/raw/tiny/codebook.former.yaml").read_text() == edited and target.read_text() == CODEBOOK
    target.rename("data/codebooks/other.yaml")
    Path("data/codebooks/other.yaml").write_text(edited)
    target.symlink_to("other.yaml")
    with pytest.raises(UserError, match=r"tiny\.yaml: expected a file, found a link"):
        lay(source)
    assert Path("data/codebooks/other.yaml").read_text() == edited


def test_a_linked_folder_is_written_through(source: Path, tmp_path: Path) -> None:
    volume, link = tmp_path / "volume", Path("data/raw/tiny")
    volume.mkdir()
    link.parent.mkdir(parents=True)
    link.symlink_to(volume)
    for _ in range(2):
        lay(source)
        assert link.is_symlink() and len(content(volume)) == 5
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    lay_new(NEW)
    assert link.is_symlink()


def test_links_to_nothing_linked_files_and_files_in_a_folder_s_place_are_refused(
    source: Path, heard: faults.Heard
) -> None:
    target = Path("data/raw/tiny")
    target.parent.mkdir(parents=True)
    target.write_text("somebody's")
    with pytest.raises(UserError, match="data/raw/tiny: expected a folder"):
        lay(source)
    assert target.read_text() == "somebody's"
    target.unlink()
    target.symlink_to("unmounted")
    with pytest.raises(UserError, match="data/raw/tiny: expected a folder, or a link to one that is there") as caught:
        lay(source)
    heard(str(caught.value))
    target.unlink()
    target.mkdir()
    for place in (source / "train_labels.csv", Path("nowhere")):
        (target / "train_labels.csv").unlink(missing_ok=True)
        (target / "train_labels.csv").symlink_to(place)
        with pytest.raises(UserError, match=r"train_labels\.csv: expected a file, found a link"):
            lay(source)
    assert (source / "train_labels.csv").read_text() == LABELS


def test_a_kill_leaves_files_of_one_import_alone(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(source)
    old = content(Path("data"))
    (source / "train_features.csv").write_text(TRAINING.replace("Report", "Statement"))
    (source / "test_features.csv").write_text(NEW.replace("z", "x"))
    (source / "test_labels.csv").write_text(CODED.replace("z", "x"))
    (source / "train_labels.csv").write_text(LABELS.replace("t0,0", "t0,1"))
    (source / "codebook.yaml").write_text(CODEBOOK.replace("left", "found"))
    steps, left = {"replace": Path.replace, "unlink": Path.unlink}, 0

    def killed(name: str) -> Callable[..., object]:
        def step(path: Path, *rest: Path, **options: bool) -> object:
            nonlocal left
            left -= not path.name.endswith((".partial", ".discarded")) or name == "replace"
            if left == 0:
                raise KeyboardInterrupt
            return steps[name](path, *rest, **options)

        return step

    for at in range(1, 11):  # 4 old tables go, 6 files come
        for name, text in old.items():
            Path("data", name).write_bytes(text)
        left = at
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            for name in steps:
                patched.setattr(Path, name, killed(name))
            lay(source)
        found = content(Path("data"))
        lay(source)
        new = content(Path("data"))
        changed = {name for name in old if old[name] != new[name] and not name.endswith("test_labels.csv")}
        assert len(changed) == 5
        rest = changed & set(found)
        assert any(all(found[name] == each[name] for name in rest) for each in (old, new))
        assert at == 1 or len(rest) < 5


def test_labels_of_the_same_uids_stay(source: Path) -> None:
    lay(source)
    found = lay_new(NEW + "x,Still.,\n")
    labels = Path("data/raw/tiny/test_labels.csv")
    assert labels.read_text() == "uid,Note\nz,1\ny,0\nx,\n"
    assert found.told == ["2 new cases keep the labels that the former ones of the same uids and texts had"]
    found = lay_new("uid,Police,Coroner\ny,Quiet.,\nw,Other.,\n")
    assert labels.read_text() == "uid,Note\ny,0\nw,\n"
    saved = Path("data/raw/tiny/test_labels.former.csv")
    assert f"all of them stand in {saved}" in found.told[1] and "labels of 1 cases" in found.told[1]
    assert saved.read_text() == "uid,Note\nz,1\ny,0\nx,\n"
    lay_new("uid,Police,Coroner\nv,Other.,\n")
    assert Path("data/raw/tiny/test_labels.former2.csv").read_text() == "uid,Note\ny,0\nw,\n"
    assert saved.read_text() == "uid,Note\nz,1\ny,0\nx,\n"


def test_labels_stay_when_a_corpus_comes_again_without_them(source: Path) -> None:
    lay(source)
    (source / "test_labels.csv").unlink()
    assert lay(source).coded
    assert Path("data/raw/tiny/test_labels.csv").read_text() == "uid,Note\nz,1\ny,0\n"


def test_labels_stay_when_a_corpus_comes_again_with_empty_ones(source: Path) -> None:
    lay(source)
    (source / "test_labels.csv").write_text("uid,Note\nz,\ny,\n")
    assert lay(source).told == ["2 new cases keep the labels that the former ones of the same uids and texts had"]
    assert Path("data/raw/tiny/test_labels.csv").read_text() == "uid,Note\nz,1\ny,0\n"


def test_labels_that_a_new_file_does_not_code_are_kept_beside(source: Path) -> None:
    lay(source)
    (source / "test_labels.csv").write_text("uid,Note\nz,\ny,1\n")
    assert "former labels of 1 cases are left out" in lay(source).told[0]
    assert Path("data/raw/tiny/test_labels.csv").read_text() == "uid,Note\nz,\ny,1\n"
    assert Path("data/raw/tiny/test_labels.former.csv").read_text() == CODED.replace("y,0\nz,1", "z,1\ny,0")
    assert lay(source).told == []


def test_labels_of_another_text_or_meaning_are_kept_beside(source: Path) -> None:
    lay(source)
    (source / "test_labels.csv").unlink()
    assert "keep the labels" in lay_new(NEW.replace("Quiet", " QUIET")).told[0]
    found = lay_new(NEW.replace("Quiet", "Other"))
    assert Path("data/raw/tiny/test_labels.csv").read_text() == "uid,Note\nz,1\ny,\n"
    assert "1 new cases keep" in found.told[0] and "labels of 1 cases are left out" in found.told[1]
    turned = CODEBOOK.replace("kind: binary", "kind: categorical, values: {0: a, 1: b}")
    (source / "codebook.yaml").write_text(turned)
    found = lay(source)
    assert not found.coded and "labels of 1 cases are left out" in found.told[0]
    assert Path("data/raw/tiny/test_labels.former2.csv").read_text() == "uid,Note\nz,1\ny,\n"


def test_rows_of_the_submission_stand_as_in_the_file_of_the_new_cases(source: Path) -> None:
    lay(source)
    assert Path("data/raw/tiny/submission_format.csv").read_text() == "uid,Note\nz,0\ny,0\n"
    lay_new("uid,Police,Coroner\nm,One.,\nc,Two.,\nk,Three.,\n")
    assert Path("data/raw/tiny/submission_format.csv").read_text() == "uid,Note\nm,0\nc,0\nk,0\n"


def test_a_case_stands_on_one_side(source: Path, heard: faults.Heard) -> None:
    lay(source)
    before = content(Path("data"))
    with pytest.raises(UserError, match="2 uids stand among the training cases and among the new ones") as caught:
        lay_new(NEW + "t1,Other.,\nt2,Another.,\n")
    heard(str(caught.value))
    (source / "test_features.csv").write_text(NEW + "t1,Other.,\n")
    (source / "test_labels.csv").unlink()
    with pytest.raises(UserError, match="1 uids stand"):
        lay(source)
    assert content(Path("data")) == before


def test_a_uid_in_another_form_is_counted_aloud(source: Path) -> None:
    lay(source)
    text = "uid,Police,Coroner\nT1,One.,\n00t2,Two.,\nt3.0,Three.,\nt10,Ten.,\n"
    assert "3 new cases have the uid of a training case but for capitals" in lay_new(text).told[-2]


def test_columns_of_codes_among_new_cases_are_counted_aloud(source: Path) -> None:
    lay(source)
    assert "new.csv: 1 columns of codes are left out" in lay_new("uid,Police,Coroner,NOTE\nx,Calm.,,1\n").told[0]


def test_equal_texts_are_counted_aloud(source: Path) -> None:
    (source / "test_features.csv").write_text(NEW + "x,REPORT  1.,\nw,Report 2.,\nv,Report 2.,\n")
    (source / "test_labels.csv").unlink()
    (source / "train_features.csv").write_text(TRAINING.replace("Report 0", "Report 5"))
    expected = [
        "1 of 6 training cases have the same text as an earlier one",
        "1 of 5 new cases have the same text as an earlier one",
        "3 new cases have the same text as training cases; they are left out of the score of `evaluate`",
    ]
    assert lay(source).told == expected
    assert lay_new((source / "test_features.csv").read_text()).told == expected


def test_all_problems_are_named_at_once(source: Path) -> None:
    (source / "train_features.csv").write_text(TRAINING + "t1,Twice.,,\n")
    (source / "train_labels.csv").write_text(LABELS + "t9,5\n")
    (source / "test_features.csv").unlink()
    (source / "test_labels.CSV").write_text(CODED)
    with pytest.raises(UserError) as caught:
        lay(source)
    lines = str(caught.value).split("\n")
    for part in (
        "neither test_features.csv",
        "both test_labels.CSV and test_labels.csv",
        "row 7: the same uid",
        "row 7, column Note",
    ):
        assert sum(part in line for line in lines) == 1, part
    assert len(lines) == 4


def test_a_full_disk_leaves_the_corpus_as_it_was(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(source)
    before = content(Path("data"))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    (source / "codebook.yaml").write_text(CODEBOOK + "# another\n")
    monkeypatch.setattr(targets, "write_csv", full)
    with pytest.raises(OSError):
        lay(source)
    assert {name: text for name, text in content(Path("data")).items() if "former" not in name} == before
    assert files.sha256(Path("data/codebooks/tiny.yaml"))
