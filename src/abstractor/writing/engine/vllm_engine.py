"""Generation with vLLM, many times as fast on a GPU.

vLLM is no dependency of this project: it pins a PyTorch of its own, and whoever wants it installs it beside. This
module follows vLLM's documentation (LLM.generate with TokensPrompt and SamplingParams) and has never run here. vLLM
does not promise the same texts from run to run, and takes its share of the GPU whatever `infer.memory_gb` says.
"""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from abstractor.base.messages import writing as messages
from abstractor.machine.compute import Compute
from abstractor.machine.seeds import derive_seed
from abstractor.writing.engine.settings import Writer
from abstractor.writing.engine.tokens import TextTokens


def is_installed() -> bool:
    """Whether the package is there; it is not imported."""
    return importlib.util.find_spec("vllm") is not None


def generate(
    folder: Path,
    compute: Compute,
    tokens: TextTokens,
    writer: Writer,
    prompts: Sequence[list[int]],
    marker: str | None,
    seed: int,
) -> list[list[int]]:
    """Continue prompts.

    Args:
        folder: of the backbone.
        compute: device and dtype.
        tokens: of the model's tokenizer.
        writer: how to draw tokens.
        prompts: ids.
        marker: text that ends an answer, beside the stops of `tokens`; None: none.
        seed: of the seeds of the prompts.

    Returns:
        The new ids of each prompt, in order.

    Raises:
        WritingError: vLLM is not installed, or there is no GPU.
    """
    if not is_installed():
        raise messages.no_vllm()
    if compute.device.type != "cuda":
        raise messages.vllm_without_gpu()
    from vllm import LLM, SamplingParams
    from vllm.inputs import TokensPrompt

    # "vllm": its own neutral defaults, not those of the backbone's generation_config.json.
    model = LLM(
        model=str(folder),
        dtype=str(compute.dtype).removeprefix("torch."),
        max_num_seqs=writer.batch_size,
        generation_config="vllm",
        seed=seed,
    )
    drawing = [
        SamplingParams(
            temperature=writer.temperature,
            top_p=writer.top_p,
            max_tokens=writer.max_new_tokens,
            stop=[marker] if marker else None,
            stop_token_ids=tokens.stops,
            skip_special_tokens=False,
            seed=derive_seed(seed, number),
        )
        for number in range(len(prompts))
    ]
    outputs = model.generate([TokensPrompt(prompt_token_ids=ids) for ids in prompts], drawing)
    # An answer that stopped may come without the token that stopped it, and would pass for one that did not.
    return [
        [*output.outputs[0].token_ids, *(tokens.stops[:1] if output.outputs[0].finish_reason == "stop" else [])]
        for output in outputs
    ]
