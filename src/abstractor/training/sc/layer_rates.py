"""How deep in its backbone a weight lies: what layer-wise learning rates and frozen layers go by."""

from typing import Any

from torch import nn

from abstractor.base.messages import classifiers as messages
from abstractor.training.loop.callbacks import dropout_rates

Named = tuple[str, nn.Parameter]


def by_depth(backbone: Any) -> list[list[Named]]:
    """Names and weights of a transformers or peft model, by depth.

    Returns:
        One list for the embeddings, one for each layer from the lowest up, one for what comes after the layers (a final
        norm, a pooler). An embedding that all layers share (DeBERTa's relative positions) is with the embeddings.

    Raises:
        RunError: the backbone has no list of layers.
    """
    prefix, count = _layers(backbone)
    embeddings = {id(module.weight) for module in backbone.modules() if isinstance(module, nn.Embedding)}
    depths: list[list[Named]] = [[] for _ in range(count + 2)]
    passed = False
    for name, weight in backbone.named_parameters():
        if name.startswith(prefix):
            passed = True
            depths[1 + int(name.removeprefix(prefix).split(".")[0])].append((name, weight))
        else:
            # Modules register in the order of use: what stands before the layers makes up the embeddings.
            depths[-1 if passed and id(weight) not in embeddings else 0].append((name, weight))
    return depths


def freeze(backbone: Any, layers: int) -> None:
    """Keep the embeddings and the lowest `layers` layers, adapters included, as they are.

    Where these are all layers, the backbone's dropout is off as well: its states are features for what comes after.

    Raises:
        RunError: the backbone has fewer layers.
    """
    depths = by_depth(backbone)
    found = len(depths) - 2
    if layers > found:
        raise messages.too_few_layers(found, layers)
    for _, weight in (named for depth in depths[: layers + 1] for named in depth):
        weight.requires_grad = False
    if layers == found:
        for module, name, _ in dropout_rates(backbone):
            setattr(module, name, 0.0)


def rates(backbone: Any, peak: float, decay: float) -> list[tuple[float, list[Named]]]:
    """Learning rate and weights of each depth: peak * decay^(layers above) (arXiv 1801.06146, 1905.05583).

    Args:
        backbone: a transformers or peft model.
        peak: rate of the top layer and of what comes after it.
        decay: above 0; 1 gives every depth the peak rate.

    Raises:
        RunError: the backbone has no list of layers, and `decay` is not 1.
    """
    if decay == 1:
        return [(peak, list(backbone.named_parameters()))]
    depths = by_depth(backbone)
    top = len(depths) - 2
    return [(peak * decay ** max(0, top - depth), weights) for depth, weights in enumerate(depths)]


def _layers(backbone: Any) -> tuple[str, int]:
    """Prefix of the layers' names, and how many there are."""
    count = int(backbone.config.num_hidden_layers)
    for name, module in backbone.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return f"{name}.", count
    raise messages.no_list_of_layers(backbone.config.model_type, count)
