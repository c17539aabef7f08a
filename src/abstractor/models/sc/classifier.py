"""The classifier: a backbone, a pooling, one linear head over all variables; or, for SC3, see `readout`.

R rows, B cases, L tokens, H hidden units, K outputs.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoTokenizer

from abstractor.base.errors import RunError
from abstractor.base.files import replaced, write_json
from abstractor.data.cases.codebook import Codebook
from abstractor.models.backbones.attention_rules import Rule, choose_attention, rule
from abstractor.models.backbones.local import backbone_folder, tidy_adapter
from abstractor.models.sc import families, mask_classifier
from abstractor.models.sc.mask_classifier import MaskedClassifier
from abstractor.models.sc.mask_prompt import Verbalizer, verbalizer
from abstractor.runs.integrity import check_seal, write_seal
from abstractor.training.sc.settings import ScModel

_HEAD, _READING = "head.safetensors", "classifier.json"


class Reading(NamedTuple):
    """What prediction must know of a trained classifier; kept in its folder."""

    backbone: str
    """Name under `models/backbones`."""
    adapter: bool
    """LoRA: the folder holds an adapter for the backbone, else the whole backbone."""
    form: str
    """One of `inputs.FORMS`."""
    pooling: str
    """See `pool`."""
    max_tokens: int
    """Longest row."""
    columns: list[str]
    """Outputs of the head, as `codebook.columns`."""

    @classmethod
    def of(cls, params: ScModel, form: str, codebook: Codebook) -> "Reading":
        """What a classifier trained with `params` will have to know."""
        adapter, columns = params.lora is not None, list(codebook.columns)
        return cls(params.backbone, adapter, form, params.pooling, params.max_tokens, columns)


class Classifier(nn.Module):
    """Logits of all variables for each case."""

    def __init__(self, backbone: Any, outputs: int, pooling: str, dropout: float) -> None:
        """Put a fresh head on `backbone`; the default initialisation uses PyTorch's global seed."""
        super().__init__()
        self.backbone: Any = backbone
        self.pooling = pooling
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(backbone.config.hidden_size, outputs)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, case: Tensor, slot: Tensor) -> Tensor:
        """Element-wise maximum over a case's rows of the row logits.

        Args:
            input_ids: (R, L), padded on the right.
            attention_mask: (R, L), 1 for a token, 0 for padding.
            case: (R,), the case a row belongs to, 0 to B-1.
            slot: (R,), its place among the case's rows.

        Returns:
            (B, K). An empty narrative has no row and so no say.
        """
        states = families.states(self.backbone, input_ids, attention_mask)
        row_logits = self.head(self.dropout(pool(states, attention_mask, self.pooling)))
        shape = (int(case.max()) + 1, int(slot.max()) + 1, row_logits.shape[1])
        logits = row_logits.new_full(shape, -torch.inf)
        logits[case, slot] = row_logits
        case_logits: Tensor = logits.amax(dim=1).float()
        return case_logits

    def parts(self) -> tuple[list[tuple[str, nn.Parameter]], list[tuple[str, nn.Parameter]]]:
        """Names and weights of what was pretrained, and those of the head."""
        return list(self.backbone.named_parameters()), list(self.head.named_parameters())


def pool(states: Tensor, mask: Tensor, pooling: str) -> Tensor:
    """One vector a row: the mean of its tokens, its first or its last. Shapes (R, L, H), (R, L) -> (R, H)."""
    if pooling == "mean":
        weights = mask.unsqueeze(-1).to(states.dtype)
        return (states * weights).sum(dim=1) / weights.sum(dim=1)
    last = mask.sum(dim=1) - 1 if pooling == "last" else torch.zeros_like(mask[:, 0])
    return states[torch.arange(len(states), device=states.device), last]


def build(params: ScModel, outputs: int, dtype: torch.dtype = torch.float32) -> Classifier:
    """A classifier with pretrained backbone and fresh head (and fresh adapters), all in float32.

    Args:
        params: of the model.
        outputs: of the head.
        dtype: of the arithmetic, which autocast sees to.

    Raises:
        RunError: the backbone cannot read rows of `max_tokens`.
        ArchitectureError: the backbone cannot compute in `dtype`.
    """
    backbone = _prepared(_pretrained(backbone_folder(params.backbone), params.max_tokens, dtype), params)
    return Classifier(backbone, outputs, params.pooling, params.head_dropout)


def build_masked(params: ScModel, words: Verbalizer, dtype: torch.dtype = torch.float32) -> MaskedClassifier:
    """SC3's classifier, its head pretrained where the backbone has one; the rest as in `build`.

    Raises:
        RunError: the backbone cannot read rows of `max_tokens`, or its architecture has no masked-LM head.
        ArchitectureError: the backbone cannot compute in `dtype`.
    """
    folder = backbone_folder(params.backbone)
    model, head = mask_classifier.load(folder, **_options(folder, params.max_tokens, dtype))
    return MaskedClassifier(_prepared(model, params), words, params.head_dropout, head)


def _prepared(model: Any, params: ScModel) -> Any:
    limit = families.longest_row(model)
    if limit is not None and params.max_tokens > limit:
        raise RunError(
            f"params.yaml: max_tokens: {params.backbone} reads {limit} tokens at most, found {params.max_tokens}"
        )
    if params.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    if params.lora is not None:
        model = get_peft_model(
            model,
            LoraConfig(
                r=params.lora.rank,
                lora_alpha=params.lora.alpha,
                lora_dropout=params.lora.dropout,
                target_modules=sorted(params.lora.targets),
            ),
        )
    return model


def load_tokenizer(backbone: str) -> Any:
    """The tokenizer of a backbone."""
    return AutoTokenizer.from_pretrained(backbone_folder(backbone))


def save(model: nn.Module, reading: Reading, folder: Path) -> None:
    """Write a model folder, whole or not at all: what transformers or peft would, the head and a seal beside it.

    SC3's head belongs to the model that transformers writes; only where an adapter stands for it, a new one is beside.
    """
    assert isinstance(model, Classifier | MaskedClassifier)
    with replaced(folder) as partial:
        model.backbone.save_pretrained(partial)
        if reading.adapter:
            tidy_adapter(partial, reading.backbone)
        if isinstance(model, Classifier) or (reading.adapter and model.origin == "new"):
            head = {name: weight.detach().cpu().contiguous() for name, weight in model.parts()[1]}
            save_file(head, partial / _HEAD)
        write_json(partial / _READING, reading._asdict())
        write_seal(partial, folder)


def read(folder: Path, codebook: Codebook) -> Reading:
    """How the trained classifier of a folder reads.

    Raises:
        SealError: the folder is not what training wrote there.
        RunError: it holds no classifier, or one for other variables.
    """
    check_seal(folder)
    if not (folder / _READING).is_file():
        raise RunError(f"{folder} holds no classifier; list its model under ar in params.yaml, not sc")
    reading = Reading(**json.loads((folder / _READING).read_text(encoding="utf-8")))
    if reading.columns != list(codebook.columns):
        raise RunError(f"{folder} was trained for other variables than codebook {codebook.dataset}; train it again")
    return reading


def load(
    folder: Path, reading: Reading, codebook: Codebook, dtype: torch.dtype = torch.float32
) -> Classifier | MaskedClassifier:
    """A trained classifier in evaluation mode.

    Args:
        folder: of the classifier.
        reading: as `read` found it, so that no unchecked folder is loaded.
        codebook: the variables.
        dtype: as in `build`.

    Raises:
        RunError: its backbone has not been fetched.
        ArchitectureError: the backbone cannot compute in `dtype`.
    """
    source = backbone_folder(reading.backbone) if reading.adapter else folder
    if reading.form == "masked":
        return _load_masked(folder, source, codebook, reading, dtype).eval()
    base = _pretrained(source, reading.max_tokens, dtype)
    backbone = PeftModel.from_pretrained(base, folder) if reading.adapter else base
    model = Classifier(backbone, len(reading.columns), reading.pooling, 0.0)
    model.head.load_state_dict(load_file(folder / _HEAD))
    return model.eval()


def _load_masked(
    folder: Path, source: Path, codebook: Codebook, reading: Reading, dtype: torch.dtype
) -> MaskedClassifier:
    words = verbalizer(load_tokenizer(reading.backbone), codebook)
    base, head = mask_classifier.load(source, **_options(source, reading.max_tokens, dtype))
    backbone = PeftModel.from_pretrained(base, folder) if reading.adapter else base
    model = MaskedClassifier(backbone, words, 0.0, head)
    if head == "new":  # a folder of all weights holds the head's as well
        weights = load_file(folder / _HEAD)
        with torch.no_grad():
            for name, weight in model.parts()[1]:
                weight.copy_(weights[name])
    return model


def _pretrained(folder: Path, max_tokens: int, dtype: torch.dtype) -> Any:
    return AutoModel.from_pretrained(folder, dtype=torch.float32, **_options(folder, max_tokens, dtype))


def _options(folder: Path, max_tokens: int, dtype: torch.dtype) -> dict[str, Any]:
    """Config and attention of a backbone, for `from_pretrained`."""
    config = AutoConfig.from_pretrained(folder)
    families.configure(config, max_tokens)
    chosen = choose_attention(config, "auto", dtype).name
    # A type that no rule names gets what transformers itself would take: not all have SDPA.
    return {"config": config, "attn_implementation": chosen if rule(config) != Rule() else None}
