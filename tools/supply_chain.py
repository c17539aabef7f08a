"""List what the locks install, with licences: python tools/supply_chain.py, or `make supply-chain`.

requirements/cpu.cdx.json and gpu.cdx.json are software bills of materials (CycloneDX), docs/evidence/licences.md is a
table of both. pip reads each package's metadata from the index and downloads no wheel for it, so gigabytes of CUDA
packages are listed on any machine. cyclonedx-py is shown an environment that holds this metadata and nothing else.
"""

import json
import re
import subprocess
import sysconfig
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from abstractor.base.errors import UserError
from abstractor.base.script import run_script

ROOT = Path(__file__).parents[1]
REQUIREMENTS, PAGE = ROOT / "requirements", ROOT / "docs/evidence/licences.md"
TOOLS = ROOT / ".venv/audit/bin"
"""Where `make` installs requirements/audit.txt."""
LOCKS = ("cpu", "gpu")
FLAGS = {"copyleft": "GPL|General Public|MPL|Mozilla|EPL|Eclipse", "proprietary": "Proprietary"}
"""What to look at again, by a pattern in the licence; so is a package that states none."""
NOT_STATED = "not stated"

Item = dict[str, Any]
"""A package as pip reports it: `metadata`, `is_yanked` and more."""
Bill = dict[str, Any]
"""A bill of materials in CycloneDX's JSON form."""


class SupplyChainError(UserError):
    """The index does not answer, or a tool of the audit does not work."""


def pins(lock: str) -> dict[str, str]:
    """Package -> version, as requirements/<lock>.txt pins them."""
    lines = (REQUIREMENTS / f"{lock}.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("==") for line in lines if line and not line.startswith("#"))
    return {name: version for name, _, version in pairs}


def look_up(lock: str) -> dict[str, Item]:
    """Package -> what the index says of the version that a lock pins.

    Raises:
        SupplyChainError: the index does not answer, or has not every version any more.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        options = ["--quiet", "--dry-run", "--ignore-installed", "--no-deps", "--report", str(report)]
        # As in tools/lock.py: letter by letter, so that the needs listed are those of the CUDA build on any machine.
        wanted = ["--requirement", str(REQUIREMENTS / f"{lock}.txt"), f"torch==={pins(lock)['torch']}"]
        call(str(TOOLS / "python"), "-m", "pip", "install", *options, *wanted)
        items = json.loads(report.read_text(encoding="utf-8"))["install"]
    return {canonicalize_name(item["metadata"]["name"]): item for item in items}


def call(*command: str) -> None:
    """Run a command; its own words are shown if it fails.

    Raises:
        SupplyChainError: it is missing or fails.
    """
    try:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SupplyChainError(
            f"expected {Path(command[0]).name} of {TOOLS.relative_to(ROOT)} to succeed, found {type(error).__name__}; "
            "its message is above; run `make supply-chain` where pip reaches a package index"
        ) from None


def bill(found: dict[str, Item]) -> Bill:
    """Bill of materials of packages, by cyclonedx-py: alike on every machine and at any time."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=False)
        site = Path(sysconfig.get_path("purelib", "venv", vars={"base": folder}))
        for name, item in found.items():
            info = site / f"{name.replace('-', '_')}-{item['metadata']['version']}.dist-info"
            info.mkdir()
            (info / "METADATA").write_text("\n".join(headers(item["metadata"])) + "\n", encoding="utf-8")
        written = Path(folder) / "bill.json"
        options = ["--output-reproducible", "--pyproject", str(ROOT / "pyproject.toml"), "--output-file", str(written)]
        call(str(TOOLS / "cyclonedx-py"), "environment", *options, f"{folder}/bin/python")
        content: Bill = json.loads(written.read_text(encoding="utf-8"))
    for tool in content["metadata"]["tools"]["components"]:
        del tool["externalReferences"]
    for component in content["components"]:
        complete(component, found[canonicalize_name(component["name"])]["metadata"])
    return content


def headers(metadata: dict[str, Any]) -> Iterator[str]:
    """Lines of a METADATA file: what is installed, its licence and what it needs here."""
    yield f"Metadata-Version: {metadata['metadata_version']}"
    yield f"Name: {metadata['name']}"
    yield f"Version: {metadata['version'].split('+')[0]}"
    if "license_expression" in metadata:
        yield f"License-Expression: {metadata['license_expression']}"
    elif len(text := metadata.get("license", "").strip().splitlines()) == 1:
        yield f"License: {text[0]}"
    for classifier in metadata.get("classifier", []):
        if classifier.startswith("License ::"):
            yield f"Classifier: {classifier}"
    for need in map(Requirement, metadata.get("requires_dist", [])):
        if need.marker is None or need.marker.evaluate({"extra": ""}):
            yield f"Requires-Dist: {need.name}"


def complete(component: dict[str, Any], metadata: dict[str, Any]) -> None:
    """Add a licence that cyclonedx-py leaves out: free words, or the title of a whole text where there is no more."""
    licences = component.get("licenses", [])
    lines = metadata.get("license", "").strip().splitlines()
    if not lines or any("expression" in licence for licence in licences) or (len(lines) > 1 and licences):
        return
    if lines[0] not in declared(component):
        component["licenses"] = [*licences, {"license": {"acknowledgement": "declared", "name": lines[0].strip()}}]


def declared(component: dict[str, Any]) -> list[str]:
    """Licences of a component as its authors declare them, shortened; none if they do not."""
    texts = [
        entry.get("expression") or entry["license"].get("id") or entry["license"]["name"]
        for entry in component.get("licenses", [])
    ]
    return list(dict.fromkeys(text.rpartition(" :: ")[2].removesuffix(" License") for text in texts))


def flag(component: dict[str, Any]) -> str:
    """Why to look at a component's licence again; empty where there is no reason."""
    text = "; ".join(declared(component))
    if not text:
        return NOT_STATED
    return ", ".join(name for name, pattern in FLAGS.items() if re.search(pattern, text))


def page(bills: dict[str, Bill]) -> str:
    """The table of all packages of all locks."""
    locks: dict[str, list[str]] = {}
    components: dict[str, dict[str, Any]] = {}
    for lock, content in bills.items():
        for component in content["components"]:
            package = canonicalize_name(component["name"])
            components[package] = component
            locks.setdefault(package, []).append(lock)
    flagged = sum(bool(flag(component)) for component in components.values())
    lines = [
        "# Licences",
        "",
        "Written by `make supply-chain` from the bills of materials beside the locks: what the authors of each package",
        "declare in its metadata, as they put it. Parts of one may be under other licences; its own files say so.",
        f"{len(components)} packages, {flagged} to look at again: [supply-chain.md](supply-chain.md) does.",
        "",
        "| package | version | lock | licence | look again |",
        "|---|---|---|---|---|",
    ]
    for name, component in sorted(components.items()):
        licence = "; ".join(declared(component)).replace("|", "\\|") or NOT_STATED
        lines.append(f"| {name} | {component['version']} | {', '.join(locks[name])} | {licence} | {flag(component)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the bills of materials and the table."""
    found = look_up("gpu")
    bills = {lock: bill({name: found[name] for name in pins(lock)}) for lock in LOCKS}
    for lock, content in bills.items():
        path = REQUIREMENTS / f"{lock}.cdx.json"
        path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        print(f"{path.relative_to(ROOT)}: {len(content['components'])} packages")
    PAGE.write_text(page(bills), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)}: written")


if __name__ == "__main__":
    run_script(main)
