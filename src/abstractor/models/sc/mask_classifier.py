"""SC3's model: a backbone with its masked-LM head, read at the masks alone.

R rows (one a case), L tokens, V variables, H hidden units, K outputs.
"""

from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import MODEL_FOR_MASKED_LM_MAPPING, AutoModelForMaskedLM

from abstractor.base.messages import classifiers as messages
from abstractor.models.sc import families
from abstractor.models.sc.classifier import Named, SequenceClassifier
from abstractor.models.sc.mask_prompt import Verbalizer


class MaskedClassifier(SequenceClassifier):
    """Logits of all variables for each case, from the words that would fill its masks."""

    def __init__(self, backbone: Any, words: Verbalizer, dropout: float, head: str) -> None:
        """Read `backbone`, a transformers or peft model with a masked-LM head, through `words`.

        Args:
            backbone: of the type that `pretrained` returns, with or without adapters.
            words: which tokens answer.
            dropout: before the head.
            head: "pretrained", or "new" for one that only this training teaches, whatever an adapter freezes.
        """
        super().__init__()
        self.backbone, self.origin, self.mask = backbone, head, words.mask
        self.dropout = nn.Dropout(dropout)
        for name in ("variables", "tokens", "against"):
            self.register_buffer(name, torch.tensor(getattr(words, name)), persistent=False)
        for _, weight in self.parts()[1]:
            weight.requires_grad_(True)

    @property
    def encoder(self) -> nn.Module:
        """The backbone without its head."""
        model = self.backbone.get_base_model() if isinstance(self.backbone, PeftModel) else self.backbone
        encoder: nn.Module = model.base_model
        return encoder

    def forward(self, input_ids: Tensor, attention_mask: Tensor, case: Tensor, slot: Tensor) -> Tensor:
        """A binary's logit of yes less that of no; the logits of a categorical's letters.

        Args:
            input_ids: (R, L), padded on the right, V masks in each row.
            attention_mask: (R, L), 1 for a token, 0 for padding.
            case: (R,), 0 to R-1, since a case has one row.
            slot: (R,), all 0.

        Returns:
            (R, K).
        """
        masks = input_ids == self.mask
        rows, places = masks.nonzero(as_tuple=True)

        def gather(_encoder: nn.Module, _arguments: Any, output: Any) -> Any:
            picked = output.last_hidden_state[rows, places].unflatten(0, (len(input_ids), -1))
            output.last_hidden_state = self.dropout(picked)
            return output

        # Every family calls its head in a way of its own, but all feed it what their encoder returns. So the head
        # computes V rows of vocabulary logits, in place of L.
        handle = self.encoder.register_forward_hook(gather)
        try:
            logits = families.outputs(self.backbone, input_ids, attention_mask, masks).logits
        finally:
            handle.remove()
        return self._answers(logits)

    def _answers(self, logits: Tensor) -> Tensor:
        """Shapes (R, V, vocabulary) -> (R, K)."""
        variables, tokens, against = self.get_buffer("variables"), self.get_buffer("tokens"), self.get_buffer("against")
        chosen = logits[:, variables, tokens]
        less = chosen - logits[:, variables, against.clamp(min=0)]
        return torch.where(against >= 0, less, chosen).float()

    def head_apart(self, adapter: bool) -> Named:
        """A new head, where only adapters are written: else it belongs to the model that transformers writes."""
        return self.parts()[1] if adapter else []

    def set_head(self, weights: dict[str, Tensor]) -> None:
        """Take the weights that `head_apart` gave."""
        with torch.no_grad():
            for name, weight in self.parts()[1]:
                weight.copy_(weights[name])

    def parts(self) -> tuple[Named, Named]:
        """See `SequenceClassifier`; tied weights count as pretrained."""
        named = list(self.backbone.named_parameters())
        if self.origin != "new":
            return named, []
        known = {id(weight) for weight in self.encoder.parameters()}
        rest = [(name, weight) for name, weight in named if id(weight) in known]
        return rest, [(name, weight) for name, weight in named if id(weight) not in known]


def pretrained(folder: Path, config: Any, **options: Any) -> tuple[Any, str]:
    """A model with a masked-LM head, in float32.

    Args:
        folder: of a backbone, or of a classifier trained in full.
        config: of transformers, changed where the weights ask for it.
        options: of `from_pretrained`.

    Returns:
        The model, and whether its head is "pretrained" or "new": initialised from PyTorch's global seed, with the
        word embeddings for a decoder.

    Raises:
        RunError: transformers has no masked-LM head for this architecture.
    """
    if type(config) not in MODEL_FOR_MASKED_LM_MAPPING:
        raise messages.no_masked_head(folder, config.model_type)
    options |= {"config": config, "dtype": torch.float32, "output_loading_info": True}
    model, found = AutoModelForMaskedLM.from_pretrained(folder, **options)
    if any(name.startswith("lm_predictions.") for name in found["unexpected_keys"]):
        # DeBERTa's own name for its head, which transformers reads only if told to. That code multiplies by the word
        # embeddings itself; asked to tie them as well, transformers 5.17 looks for a weight that is not there.
        config.legacy = config.tie_word_embeddings = False
        model, found = AutoModelForMaskedLM.from_pretrained(folder, **options)
    inside = {id(weight) for weight in model.base_model.parameters()}
    matrices = {name for name, weight in model.named_parameters() if weight.ndim > 1 and id(weight) not in inside}
    if not matrices & set(found["missing_keys"]):
        return model, "pretrained"
    model.config.tie_word_embeddings = True
    model.tie_weights()
    return model, "new"
