"""What a model folder may hold, and that it holds what was written there."""

import ast
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import ROOT

from abstractor.runs.integrity import SealError, check_safe, check_seal, pin, verify, write_seal


@pytest.fixture
def backbone(tmp_path: Path) -> Path:
    return lay(tmp_path / "tiny", "config.json", "model.safetensors", "tokenizer.json")


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """The sealed folders of a model and of another; returns the first."""
    for place in ("m/0", "m/1", "m/all", "n/0"):
        folder = lay(tmp_path / "models" / place, "adapter_config.json", "adapter_model.safetensors")
        (folder / "adapter_model.safetensors").write_bytes(place.encode())
        write_seal(folder, folder)
    return tmp_path / "models/m/0"


def lay(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text("{}", encoding="utf-8")
    return folder


def truncate(folder: Path) -> None:
    path = next(folder.glob("*model.safetensors"))
    path.write_bytes(path.read_bytes()[:1])


def turn_a_bit(folder: Path) -> None:
    path = next(folder.glob("*model.safetensors"))
    content = path.read_bytes()
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])


def remove(folder: Path) -> None:
    next(folder.glob("*model.safetensors")).unlink()


def add(folder: Path) -> None:
    (folder / "generation_config.json").write_text("{}", encoding="utf-8")


CHANGES = [truncate, turn_a_bit, remove, add]


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_file_breaks_a_seal(change: Callable[[Path], None], trained: Path) -> None:
    check_seal(trained)
    change(trained)
    name = "generation_config.json" if change is add else "adapter_model.safetensors"
    with pytest.raises(SealError, match=rf"m/0: {name} changed, missing or added.*dvc checkout --force \S+m/0"):
        check_seal(trained)


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_file_of_a_backbone_is_not_what_its_pin_says(change: Callable[[Path], None], backbone: Path) -> None:
    (backbone / "vocab.txt").write_text("a", encoding="utf-8")
    (backbone / "model-00001-of-00001.safetensors").write_text("a", encoding="utf-8")
    expected = pin("tiny", backbone)
    assert expected["name"] == "tiny"
    assert list(expected["files"]) == sorted(path.name for path in backbone.iterdir())
    verify(backbone, json.loads(json.dumps(expected)))
    change(backbone)
    with pytest.raises(SealError, match="changed, missing or added"):
        verify(backbone, expected)


@pytest.mark.parametrize(("other", "name"), [("m/1", "m/1"), ("m/all", "m/all"), ("n/0", "n/0")])
def test_a_model_in_the_place_of_another_is_refused(other: str, name: str, trained: Path) -> None:
    shutil.rmtree(trained)
    shutil.copytree(trained.parents[1] / other, trained)
    with pytest.raises(SealError, match=rf"m/0 holds the model of {name}; put back"):
        check_seal(trained)


def test_a_folder_may_be_moved_with_its_project(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.move(tmp_path / "models", tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path / "elsewhere")
    check_seal(Path("m/0"))


@pytest.mark.parametrize(
    ("content", "message"), [(None, r"seal\.json is missing"), ("{", "is no seal"), ('{"files": []}', "is no seal")]
)
def test_a_missing_or_damaged_seal_says_what_to_run(content: str | None, message: str, trained: Path) -> None:
    (trained / "seal.json").unlink()
    if content:
        (trained / "seal.json").write_text(content, encoding="utf-8")
    with pytest.raises(SealError, match=rf"{message}.*dvc pull"):
        check_seal(trained)


def test_a_seal_has_the_same_bytes_in_whatever_order_files_were_written(trained: Path, tmp_path: Path) -> None:
    first, other = (trained / "seal.json").read_bytes(), tmp_path / "other/m/0"
    other.mkdir(parents=True)
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        shutil.copy(trained / name, other / name)
    write_seal(other, other)
    assert (other / "seal.json").read_bytes() == first


@pytest.mark.parametrize(
    "end",
    [".bin", ".pt", ".pth", ".pkl", ".ckpt", ".npz", ".joblib", ".h5", ".py", ".so", ".safetensors.py", "/config.json"],
)
def test_what_may_run_code_is_refused(end: str, backbone: Path, trained: Path) -> None:
    for folder in (backbone, trained):
        path = Path(f"{folder}/model{end}")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"{}")
    with pytest.raises(SealError, match="is no file of a model folder"):
        pin("tiny", backbone)
    with pytest.raises(SealError, match="is no file of a model folder"):
        check_seal(trained)
    write_seal(trained, trained)  # whoever sealed it
    with pytest.raises(SealError, match="is no file of a model folder"):
        check_seal(trained)


def test_a_card_may_lie_with_a_trained_model_alone_and_belongs_to_its_seal(backbone: Path, trained: Path) -> None:
    for folder in (backbone, trained):
        (folder / "README.md").write_text("# A card", encoding="utf-8")
    with pytest.raises(SealError, match=r"README\.md is no file of a model folder"):
        check_safe(backbone)
    with pytest.raises(SealError, match=r"README\.md changed, missing or added"):
        check_seal(trained)
    (trained / "seal.json").unlink()
    write_seal(trained, trained)
    check_seal(trained)


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json", "generation_config.json"])
@pytest.mark.parametrize("key", ["auto_map", "trust_remote_code", "custom_pipelines"])
def test_a_config_that_asks_for_code_is_refused(file: str, key: str, backbone: Path) -> None:
    (backbone / file).write_text(json.dumps({"text_config": [{key: {"AutoModel": "a.B"}}]}), encoding="utf-8")
    with pytest.raises(SealError, match=f"{file}: {key} asks for code"):
        check_safe(backbone)


def test_an_incomplete_backbone_is_refused(backbone: Path) -> None:
    with pytest.raises(SealError, match=r"expected config\.json"):
        pin("tiny", backbone / "absent")
    (backbone / "model.safetensors").unlink()
    with pytest.raises(SealError, match=r"expected \*\.safetensors .*convert weights of another form"):
        pin("tiny", backbone)


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call in the code that ships, with the place where it stands."""
    for folder in ("src", "stages", "tools", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def unsafe(call: ast.Call) -> bool:
    """Whether a call could unpickle or run code that comes with data."""
    said = {option.arg: ast.unparse(option.value) for option in call.keywords}
    name = ast.unparse(call.func)
    loads = name in ("torch.load", "torch.jit.load") and said.get("weights_only") != "True"
    reads = name.endswith("read_pickle") or name.startswith(("pickle.", "joblib.", "dill.", "cloudpickle.", "marshal."))
    trusts = {said.get(option, "False") for option in ("trust_remote_code", "allow_pickle")}
    unsafely = name.endswith("from_pretrained") and said.get("use_safetensors", "True") != "True"
    return loads or reads or unsafely or trusts != {"False"}


def test_no_call_unpickles_or_trusts_remote_code() -> None:
    assert [place for place, call in calls() if unsafe(call)] == []


@pytest.mark.parametrize(
    "line",
    [
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "pickle.loads(b)",
        "pd.read_pickle(p)",
        "np.load(p, allow_pickle=flag)",
        "AutoModel.from_pretrained(f, trust_remote_code=True)",
        "AutoModel.from_pretrained(f, use_safetensors=False)",
    ],
)
def test_the_search_for_unsafe_calls_finds_them(line: str) -> None:
    call = ast.parse(line, mode="eval").body
    assert isinstance(call, ast.Call) and unsafe(call)
