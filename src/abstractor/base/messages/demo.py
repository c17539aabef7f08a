"""Of the made-up corpus."""

from collections.abc import Iterable

from abstractor.base.errors import UserError


class DemoError(UserError):
    """The codebook is not the one whose facts the made-up corpus draws."""


def other_codebook(dataset: str, rule: str, names: Iterable[str]) -> DemoError:
    return DemoError(
        f"the codebook {dataset} {rule} {', '.join(sorted(names))}; the demo corpus is made for "
        "data/codebooks/nvdrs_youth.yaml: restore data/codebooks/demo.yaml as a link to it"
    )
