"""Loading a pretrained language model, adapting it with LoRA, saving and loading the adapter.

transformers, peft, bitsandbytes and unsloth are imported where they are used: the last two are an extra, and unsloth,
which needs a GPU, must come before transformers.
"""

import importlib
import warnings
from pathlib import Path
from typing import Any, Protocol

import torch

from abstractor.base.errors import out_of_memory
from abstractor.base.messages import language_models as messages
from abstractor.machine.compute import go_offline
from abstractor.models.shared.attention_rules import choose_attention
from abstractor.models.shared.lora import Lora, adapted
from abstractor.runs.integrity import check_seal

_PACKING = "support_avx512bf16_for_cpu"
"""Of bitsandbytes' 4-bit layers: where a CPU has bfloat16, the first forward pass outside of training packs the weights
for good. The product with packed weights has no gradient: training would go on with wrong ones, and say nothing."""


class Design(Protocol):
    """What a new adapter and the model around it are built from."""

    @property
    def engine(self) -> str:
        """transformers or unsloth."""

    @property
    def attention(self) -> str:
        """auto, sdpa or eager."""

    @property
    def quantize(self) -> str:
        """none, int8 or nf4."""

    @property
    def lora(self) -> Lora:
        """The adapter."""

    @property
    def gradient_checkpointing(self) -> bool:
        """Recompute activations in the backward pass."""


def import_engine(engine: str) -> None:
    """Import unsloth where it is asked for; call this before anything imports transformers, which unsloth patches.

    Raises:
        ModelError: unsloth is not installed or finds no GPU.
    """
    if engine == "unsloth":
        go_offline()  # the hub's client, which it imports, reads that once
        _import_extra("unsloth", "engine: unsloth", "engine: transformers")


def load_base(
    folder: Path, dtype: torch.dtype, device: torch.device, attention: str = "auto", quantize: str = "none"
) -> Any:
    """A pretrained causal language model in evaluation mode.

    Args:
        folder: a transformers folder with safetensors.
        dtype: of its weights; of the arithmetic where they are quantised.
        device: where it goes.
        attention: auto, sdpa or eager.
        quantize: none, int8 or nf4.

    Raises:
        ModelError: the folder holds no causal language model, or what is asked for is missing here.
        ArchitectureError: what is asked for is wrong for this architecture.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    if not (folder / "config.json").is_file():
        raise messages.no_config(folder)
    chosen = choose_attention(AutoConfig.from_pretrained(folder, local_files_only=True), attention, dtype)
    print(f"attention: {chosen.name} ({chosen.reason})")
    options: dict[str, Any] = {"dtype": dtype, "attn_implementation": chosen.name}
    if quantize != "none":
        options |= {"quantization_config": _quantization(quantize, dtype), "device_map": {"": device}}
    try:
        base: Any = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, use_safetensors=True, **options)
    except ValueError as error:
        raise messages.no_causal_model(folder, error) from None
    if quantize == "none":
        return base.eval().to(device)
    for module in base.modules():
        if hasattr(module, _PACKING):
            setattr(module, _PACKING, False)
    return base.eval()


def add_lora(base: Any, lora: Lora, seed: int) -> Any:
    """Freeze a model and give its layers a LoRA with float32 weights drawn from `seed`.

    Raises:
        ModelError: a target names no layer of the model.
    """
    names = {name.rpartition(".")[2] for name, module in base.named_modules() if hasattr(module, "weight") and name}
    for target in lora.targets:
        if target not in names:
            raise messages.no_such_layer(target, names)
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        # Tied embeddings matter when an adapter is merged; these never are.
        warnings.filterwarnings("ignore", message=".*tie_word_embeddings.*")
        return adapted(base, lora, bias="none", task_type="CAUSAL_LM")


def build(folder: Path, design: Design, dtype: torch.dtype, device: torch.device, longest: int, seed: int) -> Any:
    """A model to train: frozen backbone, fresh adapter.

    Args:
        folder: of the backbone.
        design: of the model.
        dtype: of the frozen weights.
        device: where it goes.
        longest: tokens of the longest prompt.
        seed: of the adapter's weights.

    Raises:
        ModelError: see `load_base`, `add_lora` and `import_engine`.
    """
    if design.engine == "unsloth":
        return _build_unsloth(folder, design, dtype, longest, seed)
    base = load_base(folder, dtype, device, design.attention, design.quantize)
    model = add_lora(base, design.lora, seed)
    if design.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    return model


def load(folder: Path, base: Any) -> Any:
    """A saved adapter on its backbone (`load_base`), ready to score; its `unload()` gives the backbone back.

    Raises:
        SealError: the folder is not what training wrote there.
        ModelError: the adapter belongs to another backbone.
    """
    from peft import PeftModel

    check_seal(folder)
    try:
        return PeftModel.from_pretrained(base, str(folder), torch_device=str(base.device)).eval()
    except (RuntimeError, ValueError) as error:
        if out_of_memory(error):
            raise
        raise messages.adapter_does_not_fit(folder, error) from None


def _build_unsloth(folder: Path, design: Design, dtype: torch.dtype, longest: int, seed: int) -> Any:
    import_engine("unsloth")
    fast = importlib.import_module("unsloth").FastLanguageModel
    base, _ = fast.from_pretrained(
        model_name=str(folder),
        max_seq_length=longest,
        dtype=dtype,
        load_in_4bit=design.quantize == "nf4",
        load_in_8bit=design.quantize == "int8",
        local_files_only=True,
    )
    return fast.get_peft_model(
        base,
        r=design.lora.rank,
        lora_alpha=design.lora.alpha,
        lora_dropout=design.lora.dropout,
        target_modules=sorted(design.lora.targets),
        bias="none",
        use_gradient_checkpointing="unsloth" if design.gradient_checkpointing else False,
        random_state=seed,
    )


def _quantization(quantize: str, dtype: torch.dtype) -> Any:
    from transformers import BitsAndBytesConfig

    _import_extra("bitsandbytes", f"quantize: {quantize}", "quantize: none")
    options: dict[str, Any] = {"load_in_8bit": True}
    if quantize == "nf4":
        options = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}
        options["bnb_4bit_compute_dtype"] = dtype
    config: Any = BitsAndBytesConfig
    return config(**options)


def _import_extra(package: str, asked: str, instead: str) -> None:
    try:
        importlib.import_module(package)
    except ModuleNotFoundError:
        raise messages.package_missing(asked, package, instead) from None
    except (ImportError, NotImplementedError, RuntimeError, OSError) as error:
        raise messages.package_cannot_start(asked, package, error, instead) from None
