"""The card of a trained classifier."""

from typing import Any

from torch import nn

from abstractor.data.cases.codebook import Codebook
from abstractor.models.sc.backbone import load_tokenizer
from abstractor.models.sc.classifier import SequenceClassifier
from abstractor.models.sc.columns import variables
from abstractor.models.sc.forms import FORMS
from abstractor.models.sc.mask_prompt import verbalizer
from abstractor.models.sc.reading import VARIANT, Reading
from abstractor.training.card import Base, Card

_WHAT = {
    "concatenated": "A sequence classifier: an encoder, and one linear head over both narratives in one row.",
    "apart": "A sequence classifier: an encoder, and one linear head over each narrative in a row of its own.",
    "masked": "A sequence classifier: an encoder and its masked-LM head, which fills a mask for each variable.",
}
_POOLED = {
    "mean": "the mean of its last hidden states",
    "first": "its first state",
    "last": "its last state",
    "labels": "for each variable a mean of its last hidden states, weighted by the variable's query",
}
_OUTPUTS = {
    "mean": 'head["weight"] @ states.mean(0)',
    "first": 'head["weight"] @ states[0]',
    "last": 'head["weight"] @ states[-1]',
    "labels": '(head["weight"] * (weights @ states)[given["variables"]]).sum(1)',
}
_WEIGHTS = """
        weights = (head["queries"] @ states.T / states.shape[1] ** 0.5).softmax(1)"""

_ROWS = """\
A row is `start`, then of each narrative its number (`1:`, `2:`), its tokens and `end`{closing}. `rows.json` has these
as tokens. A narrative brings no special token, whatever it spells out, and an empty one is left out. A row has
{max_tokens} tokens at most: the longer narrative gives way first, and loses its middle.
"""
_POOLING = """
{groups} The head reads {pooled}; of several rows the larger logit counts. A binary variable takes the
sigmoid of its logit, a categorical one the softmax over its codes.
"""
_MASKS = """
The answer is read at the masks: of a binary variable the logit of "yes" less that of "no", through a sigmoid; of a
categorical one the softmax over the letters of its codes.
"""

_CODE = """\
import json

import torch
{imports}

tokenizer = AutoTokenizer.from_pretrained("FOLDER")
{loading}
with open("FOLDER/rows.json", encoding="utf-8") as file:
    given = json.load(file)
MARKUP
special = set(tokenizer.all_special_ids) - {{tokenizer.unk_token_id}}


def row(texts, numbers):
    around = [given["headings"][n] for n in numbers]
    left = given["max_tokens"] - len(given["start"] + given["closing"]) - sum(len(h + given["end"]) for h in around)
    shares = {{}}
    for done, n in enumerate(sorted(numbers, key=lambda n: len(texts[n]))):
        shares[n] = min(len(texts[n]), left // (len(numbers) - done))
        left -= shares[n]
    ids = list(given["start"])
    for n, heading in zip(numbers, around):
        head, tail = (shares[n] + 1) // 2, shares[n] // 2
        ids += heading + texts[n][:head] + texts[n][len(texts[n]) - tail :] + given["end"]
    return torch.tensor([ids + given["closing"]])


@torch.inference_mode()
def probabilities(narratives):
    ids = tokenizer(narratives, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    texts = [[token for token in text if token not in special] for text in ids]
    present = [n for n, text in enumerate(texts) if text] or [0]
{scoring}
    result = logits.sigmoid()
    for first, last in given["categorical"]:
        result[first:last] = logits[first:last].softmax(0)
    return dict(zip(given["columns"], result.tolist()))
"""
_LINEAR = """\
    logits = []
    for numbers in {groups}:
        ids = row(texts, numbers)
        states = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0]{weights}
        logits.append({outputs} + head["bias"])
    logits = torch.stack(logits).amax(0)"""
_MASKED = """\
    ids = row(texts, present)
    words = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0, ids[0] == tokenizer.mask_token_id]
    chosen = words[given["variables"], given["tokens"]]
    against = torch.tensor(given["against"])
    logits = torch.where(against >= 0, chosen - words[given["variables"], against.clamp(min=0)], chosen)"""


def card(reading: Reading, codebook: Codebook, base: Base, model: nn.Module) -> Card:
    """The card of a classifier.

    Args:
        reading: how it reads a case.
        codebook: the variables.
        base: its backbone, as the source names it.
        model: the classifier.
    """
    assert isinstance(model, SequenceClassifier)
    tokenizer = load_tokenizer(reading.backbone)
    builder = FORMS[reading.form].rows(tokenizer, codebook, reading.max_tokens)
    categorical = [variable.name for variable in codebook.variables if variable.kind == "categorical"]
    rows: dict[str, Any] = builder.special._asdict() | {
        "closing": builder.closing,
        "max_tokens": reading.max_tokens,
        "columns": reading.columns,
        "categorical": [[codebook.slices()[name].start, codebook.slices()[name].stop] for name in categorical],
    }
    masked = reading.form == "masked"
    if masked:
        words = verbalizer(tokenizer, codebook)
        rows |= {"variables": words.variables, "tokens": words.tokens, "against": words.against}
    closing = "; then of each variable its name in words and a mask, and `end`" if masked else ""
    reads = _ROWS.format(closing=closing, max_tokens=reading.max_tokens)
    apart = reading.form == "apart"
    each = "Each narrative has a row of its own." if apart else "Both narratives stand in one row."
    reads += _MASKS if masked else _POOLING.format(groups=each, pooled=_POOLED[reading.pooling])
    groups = "[[n] for n in present]" if apart else "[present]"
    asks = reading.pooling == "labels" and not masked
    if asks:
        rows |= {"variables": variables(codebook)}
    weights, outputs = _WEIGHTS if asks else "", _OUTPUTS[reading.pooling]
    scoring = _MASKED if masked else _LINEAR.format(groups=groups, weights=weights, outputs=outputs)
    head = not masked or (reading.adapter and model.origin == "new")
    return Card(
        codebook=codebook,
        backbone=reading.backbone,
        base=base,
        what=_WHAT[reading.form],
        reads=reads.strip(),
        rows=rows,
        code=_CODE.format(imports=_imports(reading, head), loading=_loading(reading, head), scoring=scoring),
        packages=("peft",) if reading.adapter else (),
        limits=_limits(model.backbone.config.model_type, masked),
    )


def _imports(reading: Reading, head: bool) -> str:
    auto = "AutoModelForMaskedLM" if reading.form == "masked" else "AutoModel"
    lines = ["from peft import PeftModel"] if reading.adapter else []
    lines += ["from safetensors.torch import load_file"] if head else []
    return "\n".join([*lines, f"from transformers import {auto}, AutoTokenizer"])


def _loading(reading: Reading, head: bool) -> str:
    masked = reading.form == "masked"
    auto = "AutoModelForMaskedLM" if masked else "AutoModel"
    if reading.adapter:
        lines = [f'model = {auto}.from_pretrained("BASE", dtype=torch.float32)']
        lines.append('model = PeftModel.from_pretrained(model, "FOLDER").eval()')
    else:
        lines = [f'model = {auto}.from_pretrained("FOLDER", variant="{VARIANT}", dtype=torch.float32).eval()']
    if head:
        read = 'load_file("FOLDER/head.safetensors")'
        lines.append(f"model.load_state_dict({read}, strict=False)" if masked else f"head = {read}")
    return "\n".join(lines)


def _limits(kind: str, masked: bool) -> str:
    """Families that need more than tokens and mask, see `families` and `mask_classifier.pretrained`."""
    if kind in ("longformer", "big_bird") or (kind.startswith("deberta") and masked):
        return f"But for a backbone of the type `{kind}` these lines are not enough; see `src/abstractor/models/sc`."
    return ""
