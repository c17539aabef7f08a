"""Trains an encoder to guess masked tokens of the narratives (Devlin et al. 2019, arXiv 1810.04805).

The encoder learns the corpus's words and abbreviations before any label (Gururangan et al. 2020, arXiv 2004.10964).
"""

import math
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, NamedTuple

import datasets
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import (
    MODEL_FOR_MASKED_LM_MAPPING,
    AutoConfig,
    AutoModelForMaskedLM,
    DataCollatorForLanguageModeling,
)

from abstractor.base.errors import out_of_memory
from abstractor.base.files import replaced
from abstractor.base.messages import mlm as messages
from abstractor.machine.compute import Compute
from abstractor.machine.seeds import derive_seed
from abstractor.models.shared.batching import alignment
from abstractor.models.shared.local import backbone_folder, copy_tokenizer
from abstractor.models.shared.tokenizers import load_tokenizer, plain_tokens, special_ids
from abstractor.training.loop.callbacks import Progress
from abstractor.training.loop.checkpoints import ResumableTrainer, arguments
from abstractor.training.loop.faults import Load, explained
from abstractor.training.mlm.settings import MlmParams

_IGNORED = -100
"""Label of a token that is not to be guessed."""


class Start(NamedTuple):
    """What training starts from."""

    model: Any
    """Masked language model, float32."""
    tokenizer: Any
    head: Literal["pretrained", "new"]
    """new: the backbone came without weights of the head, or with some of them only."""


class Outcome(NamedTuple):
    """A trained model and how it came about."""

    model: nn.Module
    head: str
    """As `Start.head`."""
    steps: int
    curve: list[tuple[int, str, float]]
    """(step, "training", loss)."""
    resumed: int
    """Steps that a stopped run had done; 0: this one did all."""

    def summary(self) -> dict[str, Any]:
        """For the run card."""
        return {"head": self.head, "resumed_at_step": self.resumed, "steps": self.steps}


def train(
    params: MlmParams,
    texts: Iterable[str],
    compute: Compute,
    seed_of: tuple[int, str],
    checkpoints: Path | None = None,
) -> Outcome:
    """Train on narratives.

    Args:
        params: of the training.
        texts: narratives; empty ones are left out.
        compute: device and dtype of the arithmetic; weights are float32.
        seed_of: global seed, name of the new backbone: what the seeds are derived from.
        checkpoints: folder of those that a stopped run left and of this run's; None: none are kept.

    Raises:
        MlmError: see there.
        RunError: the backbone has not been fetched, or the machine cannot do it (see `training.loop.faults`).
    """
    initialisation, order = (derive_seed(*seed_of, "mlm", params.seed, use) for use in ("initialisation", "order"))
    model, tokenizer, head = start(params.backbone, initialisation)
    data = rows(tokenizer, texts, params.max_tokens)
    if not len(data):
        raise messages.nothing_to_guess(seed_of[1], params.backbone)
    _try_longest(params, model, data)
    collate = _Masks(tokenizer, params.mask_share, alignment(compute.device.type), order)
    load = Load(False, False, ("lower batch_size or max_tokens of the section mlm",), ())
    with TemporaryDirectory(prefix="abstractor-") as scratch, explained(model, compute.device, load):
        folder = checkpoints or Path(scratch)
        trainer = _MaskTrainer(
            folder,
            {},
            [Progress()],
            model=model,
            args=arguments(
                folder,
                compute.device.type == "cpu",
                order,
                num_train_epochs=params.epochs,
                per_device_train_batch_size=params.batch_size,
                learning_rate=params.learning_rate,
                warmup_steps=params.warmup,
                weight_decay=params.weight_decay,
                bf16=compute.dtype == torch.bfloat16,
                fp16=compute.dtype == torch.float16,
                logging_nan_inf_filter=False,  # it would hide a divergence
            ),
            data_collator=collate,
            train_dataset=data,
        )
        trainer.run()
        points = trainer.curve()
    if not all(math.isfinite(loss) for _, _, loss in points):
        raise messages.diverged(seed_of[1])
    return Outcome(model, head, trainer.state.global_step, points, trainer.skipped)


def start(backbone: str, seed: int) -> Start:
    """A backbone with its masked-LM head; one without gets a new head, drawn with `seed`.

    Raises:
        MlmError: it is no encoder, or its tokenizer has no mask.
        RunError: it has not been fetched.
    """
    folder = backbone_folder(backbone)
    config = AutoConfig.from_pretrained(folder)
    decodes = config.is_encoder_decoder or getattr(config, "is_decoder", False)
    if decodes or type(config) not in MODEL_FOR_MASKED_LM_MAPPING:
        raise messages.no_encoder(backbone, config.model_type)
    tokenizer = load_tokenizer(folder)
    if tokenizer.mask_token is None:
        raise messages.no_mask(backbone)
    torch.manual_seed(seed)
    model, found = AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    inside = f"{model.base_model_prefix}."
    new = any(not name.startswith(inside) for name in found["missing_keys"])
    return Start(model, tokenizer, "new" if new else "pretrained")


def rows(tokenizer: Any, texts: Iterable[str], max_tokens: int) -> datasets.Dataset:
    """Rows of tokens, in memory.

    Args:
        tokenizer: of the backbone.
        texts: narratives.
        max_tokens: longest row.

    Returns:
        A dataset with `input_ids`: each narrative in as few rows as it needs, nearly equally long, the tokenizer's
        first and last token around each. A row in which nothing could be masked is left out.
    """
    first = tokenizer.cls_token_id if tokenizer.cls_token_id is not None else tokenizer.bos_token_id
    last = tokenizer.sep_token_id if tokenizer.sep_token_id is not None else tokenizer.eos_token_id
    before, after = ([] if token is None else [token] for token in (first, last))
    room, special = max_tokens - len(before) - len(after), special_ids(tokenizer)
    made = []
    for text in filter(None, texts):
        (tokens,) = plain_tokens(tokenizer, [text])
        for part in np.array_split(tokens, max(1, math.ceil(len(tokens) / room))):
            if not special.issuperset(part.tolist()):
                made.append([*before, *part.tolist(), *after])
    return datasets.Dataset.from_dict({"input_ids": made})


def save(model: Any, backbone: str, folder: Path) -> None:
    """Write a model folder, whole or not at all: the trained weights, and the tokenizer of the backbone as it is.

    Args:
        model: masked language model.
        backbone: what it was trained from.
        folder: to make or to replace.
    """
    with replaced(folder) as partial:
        model.save_pretrained(partial)
        copy_tokenizer(backbone, partial)


class _MaskTrainer(ResumableTrainer):
    """Computes the head where a token is to be guessed only: a seventh of its logits, which are half of the work."""

    def compute_loss(self, model: nn.Module, inputs: dict[str, Tensor], *_: Any, **__: Any) -> Tensor:
        """Mean cross entropy of the tokens to guess, in nats."""
        labels = inputs.pop("labels")
        guessed = labels != _IGNORED

        def gather(_encoder: nn.Module, _arguments: Any, output: Any) -> Any:
            output.last_hidden_state = output.last_hidden_state[guessed].unsqueeze(0)
            return output

        handle = self.model.base_model.register_forward_hook(gather)
        try:
            logits = model(**inputs).logits[0]
        finally:
            handle.remove()
        return cross_entropy(logits.float(), labels[guessed])


class _Masks:
    """Pads and masks the rows of a batch: of the tokens to guess 80 % masked, 10 % swapped for others, 10 % kept.

    The draw depends on the seed and the rows alone: a run that goes on from a checkpoint masks as an unbroken one.
    """

    def __init__(self, tokenizer: Any, share: float, multiple: int, seed: int) -> None:
        self.draw = DataCollatorForLanguageModeling(tokenizer, mlm_probability=share, pad_to_multiple_of=multiple)
        self.seed = seed

    def __call__(self, items: list[Any]) -> Any:
        """`input_ids`, `attention_mask`, `labels` (B, L): the token to guess, -100 elsewhere."""
        rows = [item["input_ids"] for item in items]
        self.draw.generator = torch.Generator().manual_seed(derive_seed(self.seed, rows))
        batch = self.draw(items)
        # The mean loss over no token is not a number, which would end in the weights.
        while (batch["labels"] == _IGNORED).all():
            batch = self.draw(items)
        return batch


def _try_longest(params: MlmParams, model: Any, data: datasets.Dataset) -> None:
    """Read the longest row once: architectures limit rows in ways of their own."""
    longest = max(data["input_ids"], key=len)
    try:
        with torch.inference_mode():
            model(input_ids=torch.tensor([longest]))
    except (IndexError, RuntimeError) as error:
        if out_of_memory(error):
            raise
        raise messages.too_long(params.backbone, len(longest)) from None
