"""The card of a trained language model."""

from typing import Any

from abstractor.data.cases.codebook import Codebook
from abstractor.models.ar.prompts import Prompts
from abstractor.models.ar.reading import Reading
from abstractor.models.shared.local import backbone_folder
from abstractor.models.shared.tokenizers import load_tokenizer
from abstractor.training.card import Base, Card

_WHAT = "A LoRA adapter of a language model that answers one question a variable with one token."

_READS = """\
One prompt a question, the reports first. `rows.json` has every part of it as tokens, each tokenised alone, and for each
variable its question and the tokens of its answers. With two short reports the first question reads:

````text
{prompt}
````

A report brings no control token, whatever it spells out; an empty one is ` none`. What comes before the question has
{max_tokens} tokens at most: the longer report gives way first, and loses its middle. The answer is the softmax over the
answer tokens of the next token; of a binary variable that of `Yes` counts.{quantized}
"""

_CODE = """\
import json

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("FOLDER")
model = AutoModelForCausalLM.from_pretrained("BASE", dtype=torch.float32)
model = PeftModel.from_pretrained(model, "FOLDER").eval()
with open("FOLDER/rows.json", encoding="utf-8") as file:
    given = json.load(file)
MARKUP


def plain(text):
    return tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]


def prefix(reports):
    texts = [plain(f" {text.strip()}") if text.strip() else given["none"] for text in reports]
    shares, left = {}, given["room"]
    for done, n in enumerate(sorted(range(len(texts)), key=lambda n: len(texts[n]))):
        shares[n] = min(len(texts[n]), left // (len(texts) - done))
        left -= shares[n]
    ids = list(given["head"])
    for n, text in enumerate(texts):
        if len(text) > shares[n]:
            back = (shares[n] - len(given["cut"])) // 2
            text = text[: shares[n] - len(given["cut"]) - back] + given["cut"] + text[len(text) - back :]
        ids += given["intros"][n] + text + given["end"]
    return ids + given["how"]


@torch.inference_mode()
def probabilities(reports):
    before, result = prefix(reports), {}
    for question in given["questions"]:
        logits = model(input_ids=torch.tensor([before + question["ask"]])).logits[0, -1, question["answers"]]
        result.update(zip(question["columns"], logits.double().softmax(0)[-len(question["columns"]) :].tolist()))
    return result
"""


def card(reading: Reading, codebook: Codebook, base: Base) -> Card:
    """The card of a language model.

    Args:
        reading: how it reads a case.
        codebook: the variables and their questions.
        base: its backbone, as the source names it.
    """
    tokenizer = load_tokenizer(backbone_folder(reading.backbone))
    prompts = Prompts(tokenizer, codebook, reading.max_tokens, reading.system, reading.questions)
    asked = zip(codebook.variables, prompts.suffixes, prompts.answers, strict=True)
    questions = [{"ask": ask, "answers": answers, "columns": list(one.columns)} for one, ask, answers in asked]
    rows: dict[str, Any] = prompts.parts() | {"questions": questions}
    shown = prompts.prefix(["<report>"] * len(codebook.narratives)) + prompts.suffixes[0]
    prompt = tokenizer.decode(shown, skip_special_tokens=False)
    quantized = "" if reading.quantize == "none" else f" It was trained on a backbone in {reading.quantize}."
    return Card(
        codebook=codebook,
        backbone=reading.backbone,
        base=base,
        what=_WHAT,
        reads=_READS.format(
            prompt=prompt,
            max_tokens=reading.max_tokens,
            quantized=quantized,
        ).strip(),
        rows=rows,
        code=_CODE,
        packages=("peft",),
        limits=quantized and f"But the project reads it on a backbone in {reading.quantize}.",
    )
