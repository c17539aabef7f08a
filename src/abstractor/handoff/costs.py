"""What a model costs, counted from its config: parameters, FLOPs, bytes.

FLOPs are model FLOPs: 2 for a multiply-add of a matrix product or of attention, nothing for norms, activations and
what an implementation does twice. T tokens, A attended pairs (query, key), H positions at which the output head runs.
"""

from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch

from abstractor.base.messages import handoff as messages

BYTES = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0, "int8": 1.0, "nf4": 0.53}
"""Of one weight; NF4 with its doubly quantised scales (arXiv 2305.14314: 4 + 0.127 bits)."""

CUDA_CONTEXT = 0.6e9
"""Bytes that a process holds on a GPU before its first tensor: context, cuBLAS workspace, allocator slack."""


@dataclass(frozen=True)
class Matrix:
    """Linear layers of one name and size."""

    name: str
    """Last part of the layer's name: what a LoRA target names."""
    inputs: int
    outputs: int
    count: int

    @property
    def size(self) -> int:
        """Weights of all of them."""
        return self.inputs * self.outputs * self.count


@dataclass(frozen=True)
class Shape:
    """What the cost of a model follows from."""

    parameters: int
    """All weights, tied ones once."""
    matrices: tuple[Matrix, ...]
    """Linear layers that every token passes; not the output head."""
    head: int
    """Weights of the output head, 0 for a model without one."""
    layers: int
    hidden: int
    width: int
    """Numbers of all heads' queries together, a layer."""
    key_width: int
    """Numbers of all heads' keys together, a layer."""
    vocabulary: int
    intermediate: int
    relative: int
    """Relative positions that queries and keys are scored against beside the tokens (DeBERTa), 0: none."""

    @classmethod
    def of(cls, config: Any, head: bool = True) -> "Shape":
        """Count a model, built without any memory for its weights.

        Args:
            config: of transformers.
            head: a causal language model with its output head; else the bare backbone of a classifier.

        Raises:
            AccountingError: transformers has no such model.
        """
        from transformers import AutoModel, AutoModelForCausalLM

        kind: Any = AutoModelForCausalLM if head else AutoModel
        try:
            with torch.device("meta"):
                model = kind.from_config(deepcopy(config))  # a model may change the config that it is built from
        except ValueError:
            raise messages.no_such_model(config.model_type, head) from None
        output = model.get_output_embeddings() if head else None
        heads = config.num_attention_heads
        numbers = getattr(config, "head_dim", None) or config.hidden_size // heads
        return cls(
            parameters=sum(weight.numel() for weight in model.parameters()),
            matrices=_matrices(model, output),
            head=output.weight.numel() if output is not None else 0,
            layers=config.num_hidden_layers,
            hidden=config.hidden_size,
            width=heads * numbers,
            key_width=(getattr(config, "num_key_value_heads", None) or heads) * numbers,
            vocabulary=config.vocab_size,
            intermediate=config.intermediate_size,
            relative=_relative(config),
        )

    @property
    def matrix_weights(self) -> int:
        """Weights that each token is multiplied with."""
        return sum(matrix.size for matrix in self.matrices)


def causal_area(length: int) -> int:
    """Pairs of a causal row: length (length + 1) / 2."""
    return length * (length + 1) // 2


def full_area(length: int) -> int:
    """Pairs of an encoder's row: length^2."""
    return length * length


def packed_area(prefix: int, suffixes: Sequence[int]) -> int:
    """Pairs of a packed row: the causal prefix, and each suffix against the prefix and itself."""
    return causal_area(prefix) + sum(suffix * prefix + causal_area(suffix) for suffix in suffixes)


def forward_flops(shape: Shape, tokens: int, area: float, heads: int) -> float:
    """One forward pass.

    Args:
        shape: of the model.
        tokens: T, over all rows.
        area: A, over all rows.
        heads: H, over all rows.
    """
    return _matrix_flops(shape, tokens) + _attention_flops(shape, tokens, area) + 2.0 * shape.head * heads


def lora_step_flops(
    shape: Shape, tokens: int, area: float, heads: int, rank: int, targets: Sequence[str], recompute: bool = False
) -> float:
    """Forward and backward pass of a frozen model with LoRA (arXiv 2106.09685).

    Frozen matrices and the head need the gradient of their input, not of their weights: forward once more.
    Attention has two gradients a product, adapters two a matrix: their forward twice more.

    Args:
        shape: of the model.
        tokens: T.
        area: A.
        heads: H.
        rank: of the adapters.
        targets: names of the layers that have one.
        recompute: gradient checkpointing, one more forward pass.
    """
    chosen = [matrix for matrix in shape.matrices if matrix.name in targets]
    adapted = sum((matrix.inputs + matrix.outputs) * matrix.count for matrix in chosen)
    adapters = 2.0 * rank * adapted * tokens
    if "lm_head" in targets:
        adapters += 2.0 * rank * (shape.hidden + shape.vocabulary) * heads
    forward = forward_flops(shape, tokens, area, heads) + adapters
    backward = 2.0 * shape.head * heads + _matrix_flops(shape, tokens)
    backward += 2 * _attention_flops(shape, tokens, area) + 2 * adapters
    return forward * (2 if recompute else 1) + backward


def full_step_flops(shape: Shape, tokens: int, area: float, heads: int = 0, recompute: bool = False) -> float:
    """Forward and backward pass with every weight trained: three forward passes, four with recomputation."""
    return forward_flops(shape, tokens, area, heads) * (4 if recompute else 3)


def weight_bytes(shape: Shape, dtype: str, quantize: str = "none") -> float:
    """Memory of the weights: quantisation takes the matrices of the layers, embeddings and head stay in `dtype`."""
    quantised = 0 if quantize == "none" else shape.matrix_weights
    return quantised * BYTES.get(quantize, 0.0) + (shape.parameters - quantised) * BYTES[dtype]


def writing_bytes(shape: Shape, texts: int, prompt: int, written: int, dtype: str = "bfloat16") -> tuple[float, float]:
    """Memory of generation, and what it reads for each token.

    The weights, keys and values of prompts and answers, those of the longest layer once more while they grow; logits
    in float32 with their order and their running sums (top-p).

    Args:
        shape: of the model.
        texts: written at a time.
        prompt: tokens of a prompt.
        written: tokens of an answer at most.
        dtype: of weights and arithmetic.

    Returns:
        The most bytes at once, `CUDA_CONTEXT` included; bytes read for a token of all texts, half of it written.
    """
    weights, a_token = weight_bytes(shape, dtype), 2.0 * shape.key_width * shape.layers * BYTES[dtype] * texts
    cache = a_token * (prompt + written)
    logits = texts * shape.vocabulary * (4 * BYTES["float32"] + 8)
    passing = texts * prompt * (2 * shape.hidden + 3 * shape.intermediate) * BYTES[dtype]
    memory = CUDA_CONTEXT + weights + cache * (1 + 1 / shape.layers) + max(logits, passing)
    return memory, weights + a_token * (prompt + written / 2)


def _matrix_flops(shape: Shape, tokens: int) -> float:
    return 2.0 * shape.matrix_weights * tokens


def _attention_flops(shape: Shape, tokens: int, area: float) -> float:
    """Scores and weighted values of every pair; DeBERTa's content-to-position and position-to-content scores."""
    pairs = 4.0 * shape.width * area
    relative = 4.0 * shape.width * shape.relative * tokens
    return shape.layers * (pairs + relative)


def _matrices(model: Any, output: Any) -> tuple[Matrix, ...]:
    found: Counter[tuple[str, int, int]] = Counter()
    for name, module in model.named_modules():
        leaf = name.rpartition(".")[2]
        if isinstance(module, torch.nn.Linear) and module is not output and "pooler" not in name and "cls." not in name:
            found[leaf, module.in_features, module.out_features] += 1
        elif isinstance(module, torch.nn.Conv1d):  # DeBERTa-v2-xlarge: one over the first layer
            found[leaf, module.in_channels * module.kernel_size[0], module.out_channels] += 1
    return tuple(Matrix(name, inputs, outputs, count) for (name, inputs, outputs), count in found.items())


def _relative(config: Any) -> int:
    if not getattr(config, "relative_attention", False):
        return 0
    buckets = getattr(config, "position_buckets", -1)
    reach = buckets if buckets > 0 else config.max_position_embeddings
    return 2 * int(reach)
