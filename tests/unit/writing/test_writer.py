"""Generation by a tiny random model: seeds, batches, limits, the choice of the engine."""

from pathlib import Path
from typing import Any

import pytest
import torch

from abstractor.base.errors import RunError
from abstractor.base.messages.writing import WritingError
from abstractor.machine.compute import Compute
from abstractor.models.shared.local import backbone_folder
from abstractor.writing.engine import transformers_engine, vllm_engine
from abstractor.writing.engine.settings import Writer
from abstractor.writing.engine.tokens import TextTokens, Written
from abstractor.writing.engine.writer import choose_engine, load_writer

CPU = Compute(torch.device("cpu"), torch.float32, "a test")
PROMPTS = ["Case 1\nSeen.", "Case 2\nSeen at home, later at work.", "A", "Case 4", "Case 5\nSeen twice."]


@pytest.fixture
def loaded(backbone: str) -> Any:
    return transformers_engine.load(backbone_folder(backbone), CPU)


def test_the_same_seed_gives_the_same_texts_whatever_was_written_before(backbone: str, writer: Writer) -> None:
    write = load_writer(writer, "tiny", CPU, 7, "test")
    first = write(PROMPTS, None)
    load_writer(writer, "tiny", CPU, 8, "else")(PROMPTS[:1], None)

    assert load_writer(writer, "tiny", CPU, 7, "test")(PROMPTS, None) == first == write(PROMPTS, None)
    assert len({answer.text for answer in first}) == len(PROMPTS)


def test_a_stopped_run_writes_only_what_it_had_not_finished(
    backbone: str, writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, asked, once = load_writer(writer, "tiny", CPU, 7)(PROMPTS, None), [], transformers_engine._continued

    def stopped(*arguments: Any) -> Any:
        if len(asked) == 2:
            raise ConnectionAbortedError
        asked.append(arguments[5])
        return once(*arguments)

    folder = tmp_path / "done"
    monkeypatch.setattr(transformers_engine, "_continued", stopped)
    with pytest.raises(ConnectionAbortedError):
        load_writer(writer, "tiny", CPU, 7, done=folder)(PROMPTS, None)
    (folder / "1.json").write_text("[[1", encoding="utf-8")  # what a power cut may leave
    asked.clear()
    assert load_writer(writer, "tiny", CPU, 7, done=folder)(PROMPTS, None) == whole
    assert len(asked) == 2 < len(list(folder.iterdir())) == 3


@pytest.mark.parametrize("change", ["seed", "name", "purpose"])
def test_another_seed_name_or_purpose_gives_other_texts(backbone: str, writer: Writer, change: str) -> None:
    first = load_writer(writer, "tiny", CPU, 7, "test")(PROMPTS, None)
    other = writer.model_copy(update={"seed": 1}) if change == "seed" else writer
    name, purpose = "other" if change == "name" else "tiny", "else" if change == "purpose" else "test"

    assert load_writer(other, name, CPU, 7, purpose)(PROMPTS, None) != first


def test_padding_changes_no_answer(loaded: Any, tokenizer: Any, writer: Writer) -> None:
    """Next to nothing drawn at random, each prompt is continued as it would be alone."""
    tokens, sure = TextTokens(tokenizer, "examples"), writer.model_copy(update={"temperature": 1e-4})
    prompts = [tokens.encode(prompt) for prompt in PROMPTS]
    options = {"marker": None, "seed": 1, "name": "tiny"}
    together = transformers_engine.generate(loaded, tokens, sure, prompts, **options)
    alone = [transformers_engine.generate(loaded, tokens, sure, [ids], **options)[0] for ids in prompts]

    assert [tokens.read(ids, None) for ids in together] == [tokens.read(ids, None) for ids in alone]


class Output(dict[str, torch.Tensor]):
    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__(logits=logits)
        self.logits = logits


def forced(model: Any, prompt: int, text: list[int]) -> None:
    """Make a model write `text` after `prompt` tokens, then the byte "." without end."""
    read = [0]

    def forward(input_ids: torch.Tensor, **_: Any) -> Output:
        read[0] += input_ids.shape[1]
        place = read[0] - prompt
        token = text[place] if place < len(text) else 16
        return Output(torch.nn.functional.one_hot(torch.tensor([[token]] * len(input_ids)), 300) * 1000.0)

    model.forward = forward


@pytest.mark.parametrize(
    ("text", "new", "written"),
    [
        ("Seen.\nCase 5", 11, Written("Seen.", ended=True)),
        ("Seen.<|endoftext|>", 6, Written("Seen.", ended=True)),
        ("Seen.<|im_start|>.", 16, Written("Seen.\ufffd..........", ended=False)),
        ("Seen. Case 5", 16, Written("Seen. Case 5....", ended=False)),
    ],
)
def test_writing_goes_on_to_the_marker_the_end_or_the_limit(
    loaded: Any, tokenizer: Any, writer: Writer, text: str, new: int, written: Written
) -> None:
    tokens, prompt = TextTokens(tokenizer, "examples"), "Case 3\nSeen.\n\nCase 4\nSeen:"
    ids = tokens.encode(prompt)
    forced(loaded, len(ids), list(tokenizer(text)["input_ids"]))
    answer = transformers_engine.generate(loaded, tokens, writer, [ids], "\nCase ", seed=1, name="tiny")[0]

    assert len(answer) == new
    assert tokens.read(answer, "\nCase ") == written


def test_a_marker_in_the_prompt_ends_nothing(loaded: Any, tokenizer: Any, writer: Writer) -> None:
    tokens = TextTokens(tokenizer, "examples")
    ids = tokens.encode("\nCase ")
    forced(loaded, len(ids), [])

    assert len(transformers_engine.generate(loaded, tokens, writer, [ids], "\nCase ", seed=1, name="tiny")[0]) == 16


@pytest.mark.parametrize(("top_p", "least", "most"), [(1.0, 51, 100), (0.25, 2, 25)])
def test_tokens_are_drawn_from_the_likeliest_that_make_top_p_and_no_other_limit(
    loaded: Any, tokenizer: Any, writer: Writer, top_p: float, least: int, most: int
) -> None:
    """A model to which a hundred tokens are all but equally likely, asked for 320."""

    def forward(input_ids: torch.Tensor, **_: Any) -> Output:
        return Output(
            torch.where(torch.arange(259) < 159, -1e9, torch.arange(259) * 1e-5).expand(len(input_ids), 1, -1).clone()
        )

    loaded.forward, settings = forward, writer.model_copy(update={"top_p": top_p})
    answers = transformers_engine.generate(
        loaded, TextTokens(tokenizer, "examples"), settings, [[5]] * 20, None, seed=1, name="tiny"
    )

    assert least <= len({token for answer in answers for token in answer}) <= most


def test_an_answer_ends_where_the_models_own_config_says(
    backbone: str, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = backbone_folder(backbone) / "config.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"eos_token_id": 0', '"eos_token_id": [0, 7]'))
    monkeypatch.setattr(transformers_engine, "generate", lambda *_, **__: [[53, 7, 54]])

    assert load_writer(writer, "tiny", CPU, 7)(["Case 1"], None) == [Written("S", ended=True)]


def test_a_prompt_without_room_for_an_answer_is_not_asked(backbone: str, writer: Writer) -> None:
    fits, too_long = "a" * (3000 - 16), "a" * (3000 - 15)
    answers = load_writer(writer, "tiny", CPU, 7)([too_long, fits, too_long], None)

    assert answers[0] == answers[2] == Written("", ended=False)
    assert answers[1].text


def test_a_backbones_own_generation_defaults_are_not_followed(backbone: str, writer: Writer) -> None:
    first = load_writer(writer, "tiny", CPU, 7)(PROMPTS, None)
    path = backbone_folder(backbone) / "generation_config.json"
    path.write_text('{"top_k": 1, "repetition_penalty": 5.0, "max_length": 3}', encoding="utf-8")

    assert load_writer(writer, "tiny", CPU, 7)(PROMPTS, None) == first


def test_a_backbone_that_is_missing_is_named(backbone: str, writer: Writer) -> None:
    with pytest.raises(RunError, match="fetch_backbone@absent"):
        load_writer(writer.model_copy(update={"backbone": "absent"}), "tiny", CPU, 7)


def with_room_for(rows: int, model: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let memory run out in the middle of larger batches; the rows of every batch that was tried."""
    tried: list[int] = []
    once = model.forward

    def forward(input_ids: torch.Tensor, **options: Any) -> Any:
        if input_ids.shape[1] > 1:
            tried.append(len(input_ids))
        elif len(input_ids) > rows:
            raise torch.OutOfMemoryError("a text")
        return once(input_ids, **options)

    monkeypatch.setattr(model, "forward", forward)
    return tried


def test_a_batch_that_does_not_fit_is_halved_and_no_text_is_lost(
    loaded: Any, tokenizer: Any, writer: Writer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tokens, sure = TextTokens(tokenizer, "examples"), writer.model_copy(update={"temperature": 1e-4})
    prompts = [tokens.encode(prompt) for prompt in PROMPTS if len(prompt) > 1]
    whole = transformers_engine.generate(loaded, tokens, sure, prompts, None, seed=1, name="tiny")
    tried = with_room_for(1, loaded, monkeypatch)
    large = sure.model_copy(update={"batch_size": 4})
    halved = transformers_engine.generate(loaded, tokens, large, prompts, None, seed=1, name="tiny")

    assert [tokens.read(ids, None) for ids in halved] == [tokens.read(ids, None) for ids in whole]
    assert tried == [4, 2, 1, 1, 2, 1, 1]
    assert "tiny: 3 batches did not fit in memory and were halved; lower writers.tiny.batch_size" in (
        capsys.readouterr().out
    )


def test_halves_draw_apart_and_always_alike(
    loaded: Any, tokenizer: Any, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drawn() -> list[list[int]]:
        return transformers_engine.generate(
            loaded, TextTokens(tokenizer, "examples"), writer, [[5, 6]] * 2, None, seed=1, name="tiny"
        )

    with_room_for(1, loaded, monkeypatch)
    first, second = drawn()
    assert first != second, "of one seed the same prompt would get one answer"
    assert drawn() == [first, second]


def test_a_text_too_large_for_memory_names_the_parameter(
    loaded: Any, tokenizer: Any, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_room_for(0, loaded, monkeypatch)
    with pytest.raises(WritingError, match=r"prompt of 2 tokens does not fit .* lower writers\.tiny\.max_new_tokens"):
        transformers_engine.generate(
            loaded, TextTokens(tokenizer, "examples"), writer, [[5, 6]] * 3, None, seed=1, name="tiny"
        )


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_overflow_is_told_before_a_token_is_drawn(loaded: Any, tokenizer: Any, writer: Writer, value: float) -> None:
    def forward(input_ids: torch.Tensor, **_: Any) -> Output:
        logits = torch.zeros(len(input_ids), 1, 259)
        logits[-1, 0, 7] = value
        return Output(logits)

    loaded.forward = forward
    with pytest.raises(WritingError, match=r"writer tiny gives .* no numbers in float32; set infer.dtype"):
        transformers_engine.generate(
            loaded, TextTokens(tokenizer, "examples"), writer, [[5]] * 2, None, seed=1, name="tiny"
        )


@pytest.mark.parametrize(
    ("asked", "device", "installed", "engine"),
    [
        ("auto", "cuda", True, "vllm"),
        ("auto", "cuda", False, "transformers"),
        ("auto", "cpu", True, "transformers"),
        ("transformers", "cuda", True, "transformers"),
        ("vllm", "cpu", False, "vllm"),
    ],
)
def test_the_engine(asked: Any, device: str, installed: bool, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_engine, "is_installed", lambda: installed)
    assert choose_engine(asked, device) == engine


@pytest.mark.parametrize(("installed", "message"), [(False, "not installed"), (True, "needs a GPU")])
def test_vllm_is_refused_where_it_cannot_run(
    backbone: str, writer: Writer, installed: bool, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vllm_engine, "is_installed", lambda: installed)
    with pytest.raises(WritingError, match=message):
        load_writer(writer.model_copy(update={"engine": "vllm"}), "tiny", CPU, 7)(PROMPTS, None)
