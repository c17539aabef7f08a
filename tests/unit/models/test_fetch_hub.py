"""Repositories of a hub as their makers lay them out, from fakes of the same file lists."""

import httpx
import pytest
from huggingface_hub.errors import GatedRepoError
from support import hub

from abstractor.base.messages.fetch import BackboneError
from abstractor.models.fetch import HubSource, fetch
from abstractor.runs.integrity import pin

ZEROS = "0" * 64


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    """`fetch` sets these for good; the next test must not see it."""
    for name in ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "1")


@pytest.fixture
def online(monkeypatch) -> None:
    monkeypatch.setattr("huggingface_hub.snapshot_download", hub.snapshot_download)


@pytest.mark.parametrize("repo", [repo for repo in hub.FILES if "deberta" in repo])
def test_debertas_repositories_become_plain_folders(online, repo, tmp_path):
    """They have pickled weights and a sentencepiece vocabulary, no safetensors and no tokenizer.json."""
    from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer

    out = tmp_path / "backbones" / "deberta"
    fetch("deberta", hub.published(repo), out)
    kept = {"config.json", "model.safetensors", "spm.model", "tokenizer.json", "tokenizer_config.json"}
    assert {path.name for path in out.iterdir()} == kept
    assert [path.name for path in out.parent.iterdir()] == ["deberta"], "no scratch left"
    _, found = AutoModel.from_pretrained(out, output_loading_info=True)
    assert not found["missing_keys"]
    _, found = AutoModelForMaskedLM.from_pretrained(out, output_loading_info=True)
    assert any(name.startswith("lm_predictions.") for name in found["unexpected_keys"]), "the makers' head is there"
    assert AutoTokenizer.from_pretrained(out).is_fast
    again = tmp_path / "again"
    fetch("deberta", hub.published(repo), again)
    assert pin("deberta", again) == pin("deberta", out)


@pytest.mark.parametrize("repo", [repo for repo in hub.FILES if "deberta" not in repo])
@pytest.mark.parametrize("looked_up", [True, False])
def test_repositories_of_language_models_are_taken_as_they_are(online, repo, looked_up, tmp_path):
    fetch("writer", hub.published(repo) if looked_up else hub.published(repo, bin_sha256=None), tmp_path / "writer")
    kept = {file for file in hub.FILES[repo] if file.endswith((".json", ".safetensors", "merges.txt", ".model"))}
    assert {path.name for path in tmp_path.joinpath("writer").iterdir()} == {file for file in kept if "/" not in file}


@pytest.mark.parametrize("hashes", [None, {}])
def test_a_pickle_without_a_hash_is_neither_fetched_nor_read(online, hashes, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.load", lambda *_, **__: pytest.fail("was read"))
    spec = hub.published("microsoft/deberta-v3-large", bin_sha256=hashes)
    with pytest.raises(BackboneError, match=r"no safetensors at this commit.*`make pin-backbones` looks that up"):
        fetch("deberta", spec, tmp_path / "deberta")


@pytest.mark.parametrize(
    ("file", "found"), [("pytorch_model.bin", "[0-9a-f]{64}"), ("pytorch_model-1-of-2.bin", "none")]
)
def test_a_pickle_with_another_hash_is_not_read(online, file, found, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.load", lambda *_, **__: pytest.fail("was read"))
    spec = hub.published("microsoft/deberta-v3-large", bin_sha256={file: ZEROS})
    with pytest.raises(BackboneError, match=rf"{file} has sha256 {found}, params.yaml expects {ZEROS}"):
        fetch("deberta", spec, tmp_path / "deberta")


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "no token that the hub knows; accept it at https://huggingface.co/org/big and set HF_TOKEN"),
        (403, "an account without leave; accept it at"),
        (None, r"did not give org/big at a{40} \(ConnectError\); check repository, commit and network"),
    ],
)
def test_a_gated_repository_is_told_from_a_hub_out_of_reach(status, message, tmp_path, monkeypatch):
    def refuse(*_, **__):
        request = httpx.Request("GET", "https://huggingface.co/org/big")
        if status is None:
            raise httpx.ConnectError("no route", request=request)
        raise GatedRepoError("gated", response=httpx.Response(status, request=request))

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    with pytest.raises(BackboneError, match=message):
        fetch("big", HubSource(source="hub", repo="org/big", revision="a" * 40, allow_hub=True), tmp_path / "big")
