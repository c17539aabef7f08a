"""Of a bundle, and of what a model costs."""

from pathlib import Path

from abstractor.base.errors import UserError


class BundleError(UserError):
    """A bundle is damaged, or a package that it needs is not installed."""


class AccountingError(UserError):
    """A model's cost cannot be counted from its config."""


def no_package(name: str | None) -> BundleError:
    return BundleError(f"expected the package {name}, found none; install what requirements/cpu.txt (or gpu.txt) lists")


def no_manifest(path: Path) -> BundleError:
    return BundleError(f"{path} is missing or damaged; unpack the bundle again")


def missing(name: str) -> BundleError:
    return BundleError(f"{name} is missing; unpack the bundle again")


def changed(name: str) -> BundleError:
    return BundleError(f"{name} is not what the bundle held (truncated or changed); unpack the bundle again")


def added(name: str) -> BundleError:
    return BundleError(f"{name} is not of this bundle; remove it, or unpack the bundle in an empty folder")


def no_such_model(kind: str, head: bool) -> AccountingError:
    return AccountingError(
        f"model type {kind}: transformers builds no {'language model' if head else 'backbone'} "
        "of it; choose another backbone"
    )
