"""Counted costs against PyTorch's own FLOP counter, published model sizes and numbers written out."""

from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

from abstractor.base.messages.handoff import AccountingError
from abstractor.handoff import costs
from abstractor.handoff.costs import Shape

TINY = {
    "vocab_size": 90,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
LENGTH = 20
DISENTANGLED = {
    "relative_attention": True,
    "position_buckets": 8,
    "pos_att_type": ["c2p", "p2c"],
    "share_att_key": True,
}


def counted(run: Any) -> int:
    with FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops())


def config(kind: str, **changes: Any) -> Any:
    return AutoConfig.for_model(kind, **TINY | changes)


@pytest.mark.parametrize("kind", ["llama", "qwen2", "gemma2"])
def test_a_language_models_flops_are_those_that_pytorch_counts(kind: str) -> None:
    model = AutoModelForCausalLM.from_config(config(kind), attn_implementation="eager")
    ids = torch.ones(2, LENGTH, dtype=torch.long)
    shape = Shape.of(config(kind))

    # Eager attention computes the masked half too.
    expected = counted(lambda: model(input_ids=ids, logits_to_keep=3))
    found = costs.forward_flops(shape, 2 * LENGTH, 2 * costs.full_area(LENGTH), 2 * 3)
    assert found == pytest.approx(expected, rel=0.01)  # the counter has the rotary angles too


@pytest.mark.parametrize(("kind", "changes"), [("bert", {}), ("roberta", {}), ("deberta-v2", DISENTANGLED)])
def test_an_encoders_flops_are_those_that_pytorch_counts(kind: str, changes: dict[str, Any]) -> None:
    model = AutoModel.from_config(config(kind, **changes), attn_implementation="eager").eval()
    ids = torch.ones(16, LENGTH, dtype=torch.long)
    shape = Shape.of(config(kind, **changes), head=False)

    expected = counted(lambda: model(input_ids=ids, attention_mask=torch.ones_like(ids)))
    found = costs.forward_flops(shape, 16 * LENGTH, 16 * costs.full_area(LENGTH), 0)
    assert found == pytest.approx(expected, rel=0.02)  # poolers and projected positions, once a row or batch


def test_a_full_steps_flops_are_those_that_pytorch_counts() -> None:
    model = AutoModel.from_config(config("bert"), attn_implementation="eager")
    ids = torch.ones(4, LENGTH, dtype=torch.long)

    expected = counted(lambda: model(input_ids=ids).last_hidden_state.sum().backward())
    found = costs.full_step_flops(Shape.of(config("bert"), head=False), 4 * LENGTH, 4 * LENGTH**2)
    assert found == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("targets", [["q_proj", "v_proj"], ["gate_proj", "down_proj", "o_proj", "lm_head"]])
def test_a_lora_steps_flops_are_those_that_pytorch_counts(targets: list[str]) -> None:
    deep = {"num_hidden_layers": 12}  # nothing flows back beyond the first adapter: less to notice in a deep model
    base = AutoModelForCausalLM.from_config(config("llama", **deep), attn_implementation="eager")
    model: Any = get_peft_model(base, LoraConfig(r=4, target_modules=targets, task_type="CAUSAL_LM"))
    ids = torch.ones(2, LENGTH, dtype=torch.long)

    expected = counted(lambda: model(input_ids=ids, logits_to_keep=3).logits.sum().backward())
    shape = Shape.of(config("llama", **deep))
    found = costs.lora_step_flops(shape, 2 * LENGTH, 2 * LENGTH**2, 6, 4, targets)
    assert found == pytest.approx(expected, rel=0.06)


def test_recomputation_is_one_more_forward_pass() -> None:
    shape = Shape.of(config("llama"))
    forward = costs.forward_flops(shape, 10, 55, 0)

    assert costs.full_step_flops(shape, 10, 55) == 3 * forward
    assert costs.full_step_flops(shape, 10, 55, recompute=True) == 4 * forward
    twice = costs.lora_step_flops(shape, 10, 55, 0, 4, [], recompute=True)
    assert twice - costs.lora_step_flops(shape, 10, 55, 0, 4, []) == forward


def test_counting_leaves_the_config_of_a_running_model_alone() -> None:
    model = AutoModelForCausalLM.from_config(config("llama"), attn_implementation="sdpa")
    before = model.config.to_dict()
    Shape.of(model.config)

    assert model.config._attn_implementation == "sdpa"
    assert model.config.to_dict() == before


def test_areas_written_out() -> None:
    assert costs.causal_area(4) == 1 + 2 + 3 + 4
    assert costs.full_area(4) == 16
    # A prefix of 3 (6 pairs); a suffix of 2 sees 4 and 5 tokens, one of 1 sees 4.
    assert costs.packed_area(3, [2, 1]) == 6 + 4 + 5 + 4


def test_weights_and_their_memory_written_out() -> None:
    shape = Shape.of(AutoConfig.for_model("llama", **TINY | {"tie_word_embeddings": True}))
    matrices = 3 * (32 * 32 + 2 * 32 * 16 + 32 * 32 + 3 * 32 * 48)

    assert shape.matrix_weights == matrices
    assert shape.head == 90 * 32
    assert shape.parameters == matrices + 90 * 32 + 7 * 32  # seven norms
    assert costs.weight_bytes(shape, "float16") == 2 * shape.parameters
    assert costs.weight_bytes(shape, "float16", "int8") == matrices + 2 * (shape.parameters - matrices)
    assert costs.weight_bytes(shape, "float16", "nf4") < costs.weight_bytes(shape, "float16", "int8")


def test_what_a_writer_keeps_written_out() -> None:
    shape = Shape.of(config("llama"))
    weights = costs.weight_bytes(shape, "bfloat16")
    cache = 2 * 16 * 3 * 2  # keys and values of 16 numbers in 3 layers, 2 bytes each, a token

    memory, read = costs.writing_bytes(shape, texts=5, prompt=10, written=20)
    more, read_more = costs.writing_bytes(shape, texts=5, prompt=10, written=40)

    assert read == weights + 5 * cache * (10 + 20 / 2)
    assert read_more - read == 5 * cache * 10
    assert memory > costs.CUDA_CONTEXT + weights + 5 * cache * 30
    assert more - memory == pytest.approx(5 * cache * 20 * 4 / 3)  # one layer's twice, while it grows


def test_a_model_without_a_head_is_refused_as_a_language_model() -> None:
    with pytest.raises(AccountingError, match="deberta-v2: transformers builds no language model"):
        Shape.of(config("deberta-v2"))
