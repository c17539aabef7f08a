"""Bills of materials, licences and their page follow the locks and the parameter files."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import supply_chain
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support import ROOT

from abstractor.base.yaml_file import read_yaml

PAGE = (ROOT / "docs/evidence/supply-chain.md").read_text(encoding="utf-8")
BILLS = {
    lock: json.loads((ROOT / f"requirements/{lock}.cdx.json").read_text(encoding="utf-8"))
    for lock in supply_chain.LOCKS
}
LICENCES = (ROOT / "docs/evidence/licences.md").read_text(encoding="utf-8")
PARAMS = [ROOT / "params.yaml", *sorted((ROOT / "recipes").glob("*.yaml"))]
STALE = "a lock has changed: run `make supply-chain`"


@pytest.mark.parametrize("lock", supply_chain.LOCKS)
def test_a_bill_lists_the_packages_of_its_lock_and_no_other(lock: str) -> None:
    listed = [(canonicalize_name(component["name"]), component["version"]) for component in BILLS[lock]["components"]]
    assert sorted(listed) == sorted(supply_chain.pins(lock).items()), STALE


def test_the_licences_are_those_of_the_bills() -> None:
    assert supply_chain.page(BILLS) == LICENCES, STALE


def test_every_locked_package_has_a_licence_line() -> None:
    lines = dict(re.findall(r"^\| ([a-z0-9-]+) \| (\S+) \|", LICENCES, re.MULTILINE))
    assert {lines.pop("package")} == {"version"}
    assert lines == supply_chain.pins("cpu") | supply_chain.pins("gpu"), STALE


@pytest.mark.parametrize("package", ["protobuf", "sentencepiece"])
def test_what_reads_vocabularies_is_declared_for_itself(package: str) -> None:
    """No import names them: transformers takes them when it finds them."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    (requirement,) = (each for each in map(Requirement, declared) if each.name == package)
    assert all(requirement.specifier.contains(supply_chain.pins(lock)[package]) for lock in supply_chain.LOCKS)


def test_every_flagged_package_is_looked_at() -> None:
    components = [component for bill in BILLS.values() for component in bill["components"]]
    flagged = {canonicalize_name(component["name"]) for component in components if supply_chain.flag(component)}
    assert {"grandalf", "torchao", "nvidia-cublas"} <= flagged
    missing = {name for name in flagged if f"`{name}`" not in PAGE}
    assert missing == set(), "say in docs/evidence/supply-chain.md what these licences ask for"


@pytest.mark.parametrize("path", PARAMS, ids=lambda path: path.stem)
def test_every_backbone_has_a_licence_line(path: Path) -> None:
    for spec in (read_yaml(path).get("backbones") or {}).values():
        if spec is not None and spec["source"] != "folder":
            # Pieces are known by what they make up.
            package = spec.get("package", spec["path"]) if spec["source"] != "hub" else None
            name = f"`{spec['repo']}`" if package is None else f"`{package}` {spec['version']}"
            assert re.search(rf"^\| {re.escape(name)} \| \w", PAGE, re.MULTILINE), f"{name} stands not in the table"


def test_lists_name_no_host_and_no_place_on_a_machine() -> None:
    schema = "http://cyclonedx.org/schema/bom-1.6.schema.json"
    audit = (ROOT / "docs/evidence/audit.md").read_text(encoding="utf-8")
    for text in (*map(json.dumps, BILLS.values()), LICENCES, PAGE, audit):
        assert set(re.findall(r'\w+://[^"\s)]*', text)) <= {schema}
        assert not re.search(r'[" (]/\w+/\w+', text)


def test_bills_hold_nothing_of_the_moment() -> None:
    for bill in BILLS.values():
        assert "serialNumber" not in bill
        assert "timestamp" not in bill["metadata"]


METADATA: dict[str, Any] = {"metadata_version": "2.1", "name": "Some.Package", "version": "1.0+cpu"}
BSD = {"license": {"name": "License :: OSI Approved :: BSD License"}}


@pytest.mark.parametrize(
    ("licences", "text", "expected", "flag"),
    [
        ([], "GPLv2 with linking exception", ["GPLv2 with linking exception"], "copyleft"),
        ([], "", [], "not stated"),
        ([], "Apache License\nVersion 2.0", ["Apache"], ""),
        ([BSD], "Copyright of somebody\nRedistribution", ["BSD"], ""),
        ([BSD], "BSD", ["BSD"], ""),
        ([BSD], "GPL or BSD", ["BSD", "GPL or BSD"], "copyleft"),
        ([{"license": {"id": "MIT"}}], "MIT License", ["MIT"], ""),
        ([{"expression": "MIT OR LGPL-3.0-or-later"}], "Other", ["MIT OR LGPL-3.0-or-later"], "copyleft"),
        ([{"license": {"name": "License :: Other/Proprietary License"}}], "", ["Other/Proprietary"], "proprietary"),
    ],
)
def test_what_the_standard_tool_leaves_out_is_added(
    licences: list[Any], text: str, expected: list[str], flag: str
) -> None:
    component = {"licenses": licences} if licences else {}
    supply_chain.complete(component, METADATA | {"license": text})
    assert supply_chain.declared(component) == expected
    assert supply_chain.flag(component) == flag


def test_needs_of_extras_and_other_systems_are_left_out() -> None:
    needs = ["a>=1", "b; extra == 'test'", "c; sys_platform == 'win32'", "d; python_version >= '3.8'"]
    lines = list(supply_chain.headers(METADATA | {"requires_dist": needs}))
    assert lines == [
        "Metadata-Version: 2.1",
        "Name: Some.Package",
        "Version: 1.0",
        "Requires-Dist: a",
        "Requires-Dist: d",
    ]


def test_a_missing_tool_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(supply_chain, "ROOT", tmp_path)
    monkeypatch.setattr(supply_chain, "TOOLS", tmp_path / "tools")
    with pytest.raises(supply_chain.SupplyChainError, match=r"expected python of tools .* run `make supply-chain`"):
        supply_chain.look_up("cpu")
