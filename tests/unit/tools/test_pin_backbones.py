"""Looking up revisions, with a hub that answers from here."""

import difflib
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import commented_yaml
import huggingface_hub
import networkx as nx
import pin_backbones
import pytest
import recipe
from dvc.repo import Repo
from support import ROOT, hub

from abstractor.base.params import Params
from abstractor.base.yaml_file import read_yaml
from abstractor.models.fetch import Backbone, HubSource, fetch

COMMIT = "f" * 40
TEXT = f"""\
backbones:
  # A comment that stays.
  open: {{source: hub, repo: maker/open, revision: null}}
  gone: null
  half:
    source: hub
    repo: maker/half
    revision: {"e" * 40}
    allow_hub: true

  # Of the one below.
  closed: {{source: hub, repo: maker/closed, revision: {COMMIT}, bin_sha256: {{}}}}
  packaged: {{source: package, package: some-model}}
"""


@pytest.fixture
def params(tmp_path: Path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(TEXT, encoding="utf-8")
    return path


def listing(*files: str) -> Any:
    """A hub that has these files in every repository; of a pickled one the sha256 is all a."""
    large = SimpleNamespace(sha256="a" * 64)
    siblings = [SimpleNamespace(rfilename=file, lfs=large if file.endswith(".bin") else None) for file in files]

    def answer(repo: str, revision: str, timeout: float, files_metadata: bool) -> SimpleNamespace:
        assert repo != "maker/closed"
        return SimpleNamespace(sha=COMMIT if revision == "main" else revision, siblings=siblings)

    return answer


def test_open_revisions_are_filled_in_and_nothing_else_changes(params: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "model_info", listing("model-00001-of-00002.safetensors", "pytorch_model.bin"))
    assert pin_backbones.pin(params) == {"open": COMMIT, "half": "e" * 40}
    expected = TEXT.replace("revision: null", f"revision: {COMMIT}, bin_sha256: {{}}")
    expected = expected.replace(f"{'e' * 40}\n", f"{'e' * 40}\n    bin_sha256: {{}}\n")
    assert params.read_text(encoding="utf-8") == expected
    assert pin_backbones.pin(params) == {}


def test_pickled_weights_without_safetensors_get_their_hash(params: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = ("pytorch_model.bin", "pytorch_model.generator.bin", "onnx/model.safetensors", "spm.model")
    monkeypatch.setattr(huggingface_hub, "model_info", listing(*files))
    pin_backbones.pin(params)
    for name in ("open", "half"):
        assert read_yaml(params)["backbones"][name]["bin_sha256"] == {"pytorch_model.bin": "a" * 64}


@pytest.mark.parametrize("files", [(), ("tf_model.h5",), ("pytorch_model.generator.bin",)])
def test_a_repository_without_weights_is_refused(
    files: tuple[str, ...], params: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub, "model_info", listing(*files))
    with pytest.raises(pin_backbones.PinError, match="maker/open: expected safetensors, or pytorch_model"):
        pin_backbones.pin(params)
    assert params.read_text(encoding="utf-8") == TEXT


def test_a_hub_out_of_reach_is_said_and_leaves_the_file(params: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no route")

    monkeypatch.setattr(huggingface_hub, "model_info", refuse)
    with pytest.raises(pin_backbones.PinError, match="maker/open: expected a commit from the hub, found none"):
        pin_backbones.pin(params)
    assert params.read_text(encoding="utf-8") == TEXT
    with pytest.raises(pin_backbones.PinError, match=r"recipes/leen\.yaml: expected a parameter file or a recipe"):
        pin_backbones.pin(Path("recipes/leen.yaml"))


@pytest.mark.parametrize("name", recipe.names())
def test_a_recipe_is_pinned_applied_and_fetched(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first commands of every recipe, in the order in which the docs have them."""
    monkeypatch.setattr(huggingface_hub, "model_info", hub.model_info)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub.snapshot_download)
    monkeypatch.setattr(recipe, "RECIPES", tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # `fetch` changes it
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    for path in (ROOT / f"recipes/{name}.yaml", ROOT / "params.yaml", ROOT / "dvc.yaml"):
        shutil.copy(path, tmp_path)
    path, before = tmp_path / f"{name}.yaml", (ROOT / f"recipes/{name}.yaml").read_text(encoding="utf-8")
    pinned = pin_backbones.pin(path)
    listed = read_yaml(path).get("backbones", {})
    assert pinned.keys() == {key for key, spec in listed.items() if spec is not None and spec["source"] == "hub"}
    lines = list(difflib.ndiff(before.splitlines(), path.read_text(encoding="utf-8").splitlines()))
    assert {line for line in lines if line.startswith("- ")} <= {"-     revision: null"}
    added = [line.split(":")[0].split()[1] for line in lines if line.startswith("+ ")]
    assert set(added) <= {"revision", "bin_sha256", "pytorch_model.bin"}
    assert added.count("revision") == added.count("bin_sha256") == len(pinned)

    recipe.apply(name, tmp_path / "params.yaml")
    params = Params(tmp_path / "params.yaml", tmp_path / "dvc.yaml")
    for key in pinned:
        spec = params.get(f"backbones.{key}", Backbone)
        assert isinstance(spec, HubSource)
        fetch(key, spec, tmp_path / "models" / key)
    assert {path.name for path in (tmp_path / "models").glob("*")} == pinned.keys()

    Repo.init(str(tmp_path), no_scm=True).close()
    with Repo(str(tmp_path)) as repo:
        stages = {stage.name for stage in nx.topological_sort(repo.index.graph)}
    assert {f"fetch_backbone@{key}" for key in pinned} <= stages


@pytest.mark.parametrize(
    "path", [*sorted((ROOT / "recipes").glob("*.yaml")), ROOT / "params.yaml"], ids=lambda p: p.stem
)
def test_parameter_files_are_written_as_they_were_read(path: Path, tmp_path: Path) -> None:
    commented_yaml.write(tmp_path / "written.yaml", commented_yaml.read(path))
    assert (tmp_path / "written.yaml").read_text(encoding="utf-8") == path.read_text(encoding="utf-8")
