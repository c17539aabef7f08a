"""Unsloth cannot be imported without a GPU: its calls and its adapters are held to its sources."""

import ast
import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from peft import LoraConfig, get_peft_model
from support import ROOT

from abstractor.models.ar.answers import question_logits
from abstractor.models.ar.loading import build, load, load_base
from abstractor.models.ar.packing import separate
from abstractor.models.ar.reading import Reading, save
from abstractor.models.shared.lora import Lora, adapted
from abstractor.training.ar.settings import ArModel

VERSION = "2026.10.7"
"""Whose sources this file was written from."""
TAKES = {
    "from_pretrained": {
        *("model_name", "max_seq_length", "dtype", "load_in_4bit", "load_in_8bit"),
        "local_files_only",  # among the other keywords that it hands on to transformers
    },
    "get_peft_model": {
        *("model", "r", "lora_alpha", "lora_dropout", "target_modules", "bias"),
        *("use_gradient_checkpointing", "random_state"),
    },
}
"""What it takes of FastLanguageModel's two functions, as far as it is used here."""
LORA = Lora(rank=2, alpha=4, dropout=0.0, targets=["v_proj", "q_proj", "down_proj"])
AS_ONE = r"(?:\bmodel\.layers\.[\d]{1,}\..*?(?:self_attn|attention|mlp).*?\.(?:(?:v_proj|q_proj|down_proj)))"
"""How it hands these targets to peft where the weights are in int8: one regular expression."""
CPU = torch.device("cpu")


def build_with_a_stub(monkeypatch: pytest.MonkeyPatch, quantize: str = "int8") -> Mock:
    """Build a model by a stub of unsloth, which keeps the calls."""
    stub: Any = ModuleType("unsloth")
    stub.FastLanguageModel = Mock()
    stub.FastLanguageModel.from_pretrained.return_value = ("model", "tokenizer")
    monkeypatch.setitem(sys.modules, "unsloth", stub)
    design = Mock(spec=ArModel, engine="unsloth", quantize=quantize, lora=LORA, gradient_checkpointing=True)
    build(Path("folder"), design, torch.float16, CPU, 500, 1)
    return stub.FastLanguageModel  # type: ignore[no-any-return]


def keywords_used(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    fast = build_with_a_stub(monkeypatch)
    peft = fast.get_peft_model.call_args
    assert len(peft.args) == 1, "the model"
    return {
        "from_pretrained": set(fast.from_pretrained.call_args.kwargs),
        "get_peft_model": {"model", *peft.kwargs},
    }


def test_the_version_that_was_read_is_the_locked_one() -> None:
    locked = (ROOT / "requirements/gpu.txt").read_text(encoding="utf-8")
    assert re.search(rf"^unsloth=={re.escape(VERSION)}\b", locked, re.MULTILINE), "read the new one, then mend `TAKES`"


def test_only_known_arguments_are_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    assert keywords_used(monkeypatch) == TAKES


@pytest.mark.parametrize(
    ("quantize", "bits"), [("none", (False, False)), ("int8", (False, True)), ("nf4", (True, False))]
)
def test_weights_are_as_asked(quantize: str, bits: tuple[bool, bool], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = build_with_a_stub(monkeypatch, quantize).from_pretrained.call_args.kwargs
    assert (asked["load_in_4bit"], asked["load_in_8bit"]) == bits


def test_the_installed_sources_take_these_arguments() -> None:
    found = importlib.util.find_spec("unsloth")  # does not import it
    if found is None or found.origin is None:
        pytest.skip("unsloth is not installed; it belongs to the lock of a GPU")
    models = Path(found.origin).parent / "models"
    loader, llama = (ast.parse((models / f"{name}.py").read_text(encoding="utf-8")) for name in ("loader", "llama"))
    assert TAKES["from_pretrained"] - {"local_files_only"} <= parameters(loader, "FastLanguageModel", "from_pretrained")
    assert "**" in parameters(loader, "FastLanguageModel", "from_pretrained")
    assert TAKES["get_peft_model"] <= parameters(llama, "FastLlamaModel", "get_peft_model")
    assert {"model", "**"} <= parameters(loader, "FastLanguageModel", "get_peft_model"), "hands on to the above"


def parameters(tree: ast.Module, name: str, method: str) -> set[str]:
    """Names of a method's parameters; `**` where it takes any other."""
    (found,) = (
        node
        for parent in tree.body
        if isinstance(parent, ast.ClassDef) and parent.name == name
        for node in parent.body
        if isinstance(node, ast.FunctionDef) and node.name == method
    )
    others = {"**"} if found.args.kwarg else set()
    return {argument.arg for argument in (*found.args.args, *found.args.kwonlyargs)} | others


def test_an_adapter_whose_targets_are_one_expression_is_saved_and_scored(make_model: Any, tmp_path: Path) -> None:
    """As with `quantize: int8`."""
    make_model("llama").save_pretrained(tmp_path / "backbone")
    base = load_base(tmp_path / "backbone", torch.float32, CPU)
    model = get_peft_model(base, LoraConfig(r=2, target_modules=AS_ONE, init_lora_weights=False)).eval()
    save(model, Reading("small", "separate", "auto", "none", "none", "apart", 600, ["Note"]), tmp_path / "adapter")
    config = json.loads((tmp_path / "adapter/adapter_config.json").read_text(encoding="utf-8"))
    loaded = load(tmp_path / "adapter", load_base(tmp_path / "backbone", torch.float32, CPU))
    batch = separate([[20, 21, 22], [7, 8]], [[3, 4], [5]])

    assert config["target_modules"] == AS_ONE
    with torch.inference_mode():
        assert torch.equal(question_logits(loaded, batch), question_logits(model, batch))
        with loaded.disable_adapter():
            assert not torch.equal(question_logits(loaded, batch), question_logits(model, batch))
    listed = adapted(load_base(tmp_path / "backbone", torch.float32, CPU), LORA)
    assert learning(loaded) == learning(listed) != set(), "the layers that the list names"


def learning(model: Any) -> set[str]:
    return {name for name, _ in model.named_parameters() if ".lora_" in name}
