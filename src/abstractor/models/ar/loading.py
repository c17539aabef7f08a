"""Loading a pretrained language model, adapting it with LoRA, saving and loading the adapter.

transformers, peft, bitsandbytes and unsloth are imported where they are used: the last two are an extra that needs
a GPU, and unsloth must come before transformers.
"""

import importlib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from abstractor.base.errors import out_of_memory
from abstractor.base.files import replaced
from abstractor.machine.compute import go_offline
from abstractor.models.ar.answers import ModelError
from abstractor.models.backbones.attention_rules import choose_attention
from abstractor.models.backbones.local import tidy_adapter
from abstractor.runs.integrity import check_seal, write_seal
from abstractor.training.ar.settings import ArModel


def import_engine(engine: str) -> None:
    """Import unsloth where it is asked for; call this before anything imports transformers, which unsloth patches.

    Raises:
        ModelError: unsloth is not installed or finds no GPU.
    """
    if engine == "unsloth":
        go_offline()  # the hub's client, which it imports, reads that once
        _import_extra("unsloth", "engine: unsloth", "engine: transformers")


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a backbone folder."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


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
        raise ModelError(
            f"{folder} holds no config.json; run the stage that fetches the backbone, or `dvc pull {folder}`"
        )
    chosen = choose_attention(AutoConfig.from_pretrained(folder, local_files_only=True), attention, dtype)
    print(f"attention: {chosen.name} ({chosen.reason})")
    options: dict[str, Any] = {"dtype": dtype, "attn_implementation": chosen.name}
    if quantize != "none":
        options |= {"quantization_config": _quantization(quantize, dtype), "device_map": {"": device}}
    try:
        base: Any = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, use_safetensors=True, **options)
    except ValueError as error:
        raise ModelError(
            f"{folder} holds no causal language model ({type(error).__name__}); choose another backbone"
        ) from None
    return base.eval() if quantize != "none" else base.eval().to(device)


def add_lora(base: Any, rank: int, alpha: int, dropout: float, targets: Sequence[str], seed: int) -> Any:
    """Freeze a model and give its layers `targets` a LoRA with float32 weights drawn from `seed`.

    Raises:
        ModelError: a target names no layer of the model.
    """
    from peft import LoraConfig, get_peft_model

    names = {name.rpartition(".")[2] for name, module in base.named_modules() if hasattr(module, "weight") and name}
    for target in targets:
        if target not in names:
            raise ModelError(f"lora.targets: the model has no layer {target!r}; it has {', '.join(sorted(names))}")
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=sorted(targets),
        bias="none",
        task_type="CAUSAL_LM",
    )
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        # Tied embeddings matter when an adapter is merged; these never are.
        warnings.filterwarnings("ignore", message=".*tie_word_embeddings.*")
        return get_peft_model(base, config)


def build(folder: Path, settings: ArModel, dtype: torch.dtype, device: torch.device, longest: int, seed: int) -> Any:
    """A model to train: frozen backbone, fresh adapter.

    Args:
        folder: of the backbone.
        settings: of the model.
        dtype: of the frozen weights.
        device: where it goes.
        longest: tokens of the longest prompt.
        seed: of the adapter's weights.

    Raises:
        ModelError: see `load_base`, `add_lora` and `import_engine`.
    """
    lora = settings.lora
    if settings.engine == "unsloth":
        return _build_unsloth(folder, settings, dtype, longest, seed)
    base = load_base(folder, dtype, device, settings.attention, settings.quantize)
    model = add_lora(base, lora.rank, lora.alpha, lora.dropout, lora.targets, seed)
    if settings.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    return model


def save(model: Any, folder: Path, backbone: str) -> None:
    """Write the adapter and its seal: safetensors and JSON with the same bytes wherever and whenever it is written.

    Args:
        model: a PEFT model.
        folder: replaced when the adapter is whole.
        backbone: name of the pretrained model, written in place of its path.
    """
    with replaced(folder) as partial:
        # Else PEFT stores the whole head beside an adapter of the head, and asks the hub about the vocabulary.
        model.save_pretrained(partial, save_embedding_layers=False)
        tidy_adapter(partial, backbone)
        write_seal(partial, folder)


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
        raise ModelError(
            f"{folder}: the adapter does not fit its backbone ({type(error).__name__}); train it again"
        ) from None


def _build_unsloth(folder: Path, settings: ArModel, dtype: torch.dtype, longest: int, seed: int) -> Any:
    import_engine("unsloth")
    fast = importlib.import_module("unsloth").FastLanguageModel
    base, _ = fast.from_pretrained(
        model_name=str(folder),
        max_seq_length=longest,
        dtype=dtype,
        load_in_4bit=settings.quantize == "nf4",
        load_in_8bit=settings.quantize == "int8",
        local_files_only=True,
    )
    return fast.get_peft_model(
        base,
        r=settings.lora.rank,
        lora_alpha=settings.lora.alpha,
        lora_dropout=settings.lora.dropout,
        target_modules=sorted(settings.lora.targets),
        bias="none",
        use_gradient_checkpointing="unsloth" if settings.gradient_checkpointing else False,
        random_state=seed,
    )


def _quantization(quantize: str, dtype: torch.dtype) -> Any:
    from transformers import BitsAndBytesConfig

    _import_extra("bitsandbytes", f"quantize: {quantize}", "quantize: none")
    if not torch.cuda.is_available():
        raise ModelError(f"quantize: {quantize} needs a GPU, and PyTorch finds none; set quantize: none")
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
        raise ModelError(f"{asked} needs the package {package}: pip install '.[gpu]', or set {instead}") from None
    except (ImportError, NotImplementedError, RuntimeError, OSError) as error:
        raise ModelError(
            f"{asked}: {package} cannot start here ({type(error).__name__}: no GPU?); set {instead}"
        ) from None
