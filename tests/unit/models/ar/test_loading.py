"""Loading backbones, saving and loading adapters, and what is refused on the way."""

import json
import sys
from pathlib import Path
from typing import Any, get_args
from unittest.mock import Mock

import peft
import pytest
import torch
from safetensors.torch import load_file
from support.marks import NEEDS_BITSANDBYTES
from transformers import LlamaConfig, LlamaForCausalLM

from abstractor.base.files import write_json
from abstractor.base.messages.language_models import ModelError
from abstractor.data.cases.codebook import Codebook
from abstractor.models.ar.answers import question_logits
from abstractor.models.ar.loading import add_lora, import_engine, load, load_base
from abstractor.models.ar.packing import pack
from abstractor.models.ar.prompts import Form
from abstractor.models.ar.reading import Reading, read, save
from abstractor.models.shared.lora import Lora
from abstractor.runs.integrity import SealError, write_seal

CPU = torch.device("cpu")
LORA = Lora(rank=4, alpha=8, dropout=0.0, targets=["q_proj"])
READING = Reading("small", "packed", "auto", "none", "none", "apart", 600, ["Note"])
BATCH = ([list(range(20, 30)), [7, 8]], [[3, 4], [5]])


@pytest.fixture
def backbone(make_model: Any, tmp_path: Path) -> Path:
    make_model("llama").save_pretrained(tmp_path / "backbone")
    return tmp_path / "backbone"


def adapted(backbone: Path, seed: int = 1) -> Any:
    model = add_lora(
        load_base(backbone, torch.float32, CPU),
        Lora(rank=4, alpha=8, dropout=0.1, targets=["v_proj", "lm_head", "q_proj"]),
        seed,
    )
    generator = torch.Generator().manual_seed(seed)
    for weight in (weight for weight in model.parameters() if weight.requires_grad):
        weight.data = torch.randn(weight.shape, generator=generator) / 10
    return model


def test_a_saved_adapter_gives_the_same_logits(backbone: Path, tmp_path: Path) -> None:
    model = adapted(backbone).eval()
    save(model, READING, tmp_path / "adapter")
    loaded = load(tmp_path / "adapter", load_base(backbone, torch.float32, CPU))
    with torch.inference_mode():
        assert torch.equal(question_logits(loaded, pack(*BATCH)), question_logits(model, pack(*BATCH)))
    assert not loaded.training


def test_adapters_that_take_turns_on_a_backbone_give_the_same_logits(backbone: Path, tmp_path: Path) -> None:
    for seed, name in enumerate(("one", "two")):
        save(adapted(backbone, seed), READING, tmp_path / name)
    base = load_base(backbone, torch.float32, CPU)
    with torch.inference_mode():
        bare = question_logits(base, pack(*BATCH))
        for name in ("one", "two", "one"):
            alone = load(tmp_path / name, load_base(backbone, torch.float32, CPU))
            model = load(tmp_path / name, base)
            assert torch.equal(question_logits(model, pack(*BATCH)), question_logits(alone, pack(*BATCH)))
            base = model.unload()
        assert torch.equal(question_logits(base, pack(*BATCH)), bare)
        assert not torch.equal(question_logits(alone, pack(*BATCH)), bare)


def test_an_adapters_folder_holds_the_adapter_alone_and_always_the_same_bytes(backbone: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        save(adapted(backbone), READING, tmp_path / name / "m/0")
    one, two = (tmp_path / name / "m/0" for name in ("one", "two"))
    files = sorted(file.name for file in one.iterdir())
    config = json.loads((one / "adapter_config.json").read_text())
    weights = load_file(one / "adapter_model.safetensors")

    assert files == ["adapter_config.json", "adapter_model.safetensors", "reading.json", "seal.json"]
    for name in files:
        assert (one / name).read_bytes() == (two / name).read_bytes()
        assert str(tmp_path).encode() not in (one / name).read_bytes()
    assert config["base_model_name_or_path"] == "small"
    assert config["target_modules"] == ["lm_head", "q_proj", "v_proj"]
    assert all(".lora_" in name for name in weights), "no full matrix of the head"


def test_the_seed_decides_the_fresh_adapter(backbone: Path) -> None:
    def weights(seed: int) -> torch.Tensor:
        model = add_lora(load_base(backbone, torch.float32, CPU), LORA, seed)
        return torch.cat([weight.flatten() for weight in model.parameters() if weight.requires_grad])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_only_the_adapter_learns_and_in_float32(backbone: Path) -> None:
    model = add_lora(load_base(backbone, torch.bfloat16, CPU), LORA, seed=1)
    learning = {name: weight.dtype for name, weight in model.named_parameters() if weight.requires_grad}

    assert set(learning.values()) == {torch.float32}
    assert all(".lora_" in name for name in learning)


def test_an_unknown_target_is_named_beside_the_known_ones(backbone: Path) -> None:
    with pytest.raises(ModelError, match=r"no layer 'qq_proj'; it has .*q_proj"):
        add_lora(
            load_base(backbone, torch.float32, CPU),
            LORA.model_copy(update={"targets": ["q_proj", "qq_proj"]}),
            seed=1,
        )


def test_a_missing_backbone_and_a_missing_adapter_say_what_to_run(backbone: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"holds no config\.json"):
        load_base(tmp_path / "nowhere", torch.float32, CPU)
    with pytest.raises(SealError, match=r"seal\.json is missing; run the stage .*`dvc pull \S*nowhere"):
        load(tmp_path / "nowhere", load_base(backbone, torch.float32, CPU))


def test_a_folder_remembers_how_its_model_reads_and_another_way_is_refused(
    backbone: Path, tmp_path: Path, codebook: Codebook
) -> None:
    folder = tmp_path / "adapter"
    for form in get_args(Form):
        reading = READING._replace(questions=form, columns=list(codebook.columns))
        save(adapted(backbone), reading, folder)
        assert read(folder, codebook) == reading
    content = reading._asdict()
    for other in ({**content, "questions": "sung"}, {key: content[key] for key in content if key != "questions"}):
        write_json(folder / "reading.json", other)
        (folder / "seal.json").unlink()
        write_seal(folder, folder)
        with pytest.raises(ModelError, match=r"in another way; train it again"):
            read(folder, codebook)


def test_a_changed_adapter_is_refused(backbone: Path, tmp_path: Path) -> None:
    save(adapted(backbone), READING, tmp_path / "adapter")
    config = tmp_path / "adapter/adapter_config.json"
    config.write_text(config.read_text().replace('"lora_alpha": 8', '"lora_alpha": 9'))
    with pytest.raises(SealError, match=r"adapter_config\.json changed"):
        load(tmp_path / "adapter", load_base(backbone, torch.float32, CPU))


def test_an_adapter_of_another_backbone_is_refused(backbone: Path, make_model: Any, tmp_path: Path) -> None:
    save(adapted(backbone), READING, tmp_path / "adapter")
    config = json.loads((backbone / "config.json").read_text())
    wider = type(make_model("llama"))(type(make_model("llama").config)(**{**config, "hidden_size": 64, "head_dim": 16}))
    with pytest.raises(ModelError, match="does not fit its backbone"):
        load(tmp_path / "adapter", wider)


def test_a_lack_of_memory_is_not_taken_for_a_wrong_adapter(backbone: Path, tmp_path: Path) -> None:
    save(adapted(backbone), READING, tmp_path / "adapter")
    base = load_base(backbone, torch.float32, CPU)
    with pytest.MonkeyPatch.context() as patched, pytest.raises(torch.OutOfMemoryError):
        patched.setattr(peft.PeftModel, "from_pretrained", Mock(side_effect=torch.OutOfMemoryError))
        load(tmp_path / "adapter", base)


@pytest.mark.parametrize("package", ["unsloth", "bitsandbytes"])
def test_a_missing_extra_says_how_to_get_it(package: str, backbone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModelError, match=rf"needs the package {package}: run make setup"):
        import_engine("unsloth") if package == "unsloth" else load_base(backbone, torch.float32, CPU, quantize="nf4")


def test_unsloth_is_imported_with_the_hub_out_of_reach(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its imports read `HF_HUB_OFFLINE` once."""
    (tmp_path / "unsloth.py").write_text("import os\nseen = os.environ.get('HF_HUB_OFFLINE')\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    import_engine("unsloth")
    assert sys.modules.pop("unsloth").seen == "1"


def plain_weights(base: Any) -> Any:
    """A copy of a quantised model with the numbers that its weights stand for."""
    from bitsandbytes.functional import dequantize_4bit

    result = load_base(Path(base.config._name_or_path), torch.float32, CPU)
    for name, layer in base.named_modules():
        weight = getattr(layer, "weight", None)
        if getattr(weight, "quant_state", None) is not None:
            result.get_submodule(name).weight.data = dequantize_4bit(weight.data, weight.quant_state)
        elif getattr(weight, "SCB", None) is not None:
            result.get_submodule(name).weight.data = weight.data * weight.SCB[:, None] / 127
    return result


@NEEDS_BITSANDBYTES
@pytest.mark.parametrize("quantize", ["int8", "nf4"])
def test_quantized_weights_pass_the_gradients_of_the_numbers_that_they_stand_for(quantize: str, tmp_path: Path) -> None:
    """After a pass outside of training too, as there is before each training and at each validation."""
    shape = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4, "num_hidden_layers": 2}
    torch.manual_seed(0)
    LlamaForCausalLM(LlamaConfig(vocab_size=99, initializer_range=0.1, **shape)).save_pretrained(tmp_path)
    base = load_base(tmp_path, torch.float32, CPU, quantize=quantize)
    expected = plain_weights(base)
    lora, batch = LORA.model_copy(update={"targets": ["q_proj", "down_proj", "lm_head"]}), pack(*BATCH)
    gradients = []
    for model in (add_lora(base, lora, 1), add_lora(expected, lora, 1)):
        with torch.no_grad():
            question_logits(model.eval(), batch)
        question_logits(model.train(), batch).square().mean().backward()
        gradients.append(torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None]))

    assert not torch.equal(expected.model.layers[0].mlp.up_proj.weight, plain(tmp_path)), "rounded"
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-4)


def plain(folder: Path) -> torch.Tensor:
    weight: torch.Tensor = load_base(folder, torch.float32, CPU).model.layers[0].mlp.up_proj.weight
    return weight
