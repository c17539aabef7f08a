"""The page of `dvc plots show` holds the scripts that DVC's own page would fetch from another host."""

import hashlib
import re
import tarfile
from pathlib import Path

import plots_page
import pytest
from dvc_render.vega import VegaRenderer
from support import ROOT

from abstractor.base.errors import UserError

PAGE = plots_page.PAGE.read_text(encoding="utf-8")


def test_its_scripts_are_the_pinned_ones_at_the_versions_that_dvc_names() -> None:
    scripts = re.findall(r"<script>(.*?)</script>", PAGE, re.DOTALL)
    found = [hashlib.sha256(script.encode()).hexdigest() for script in scripts[:-1]]
    assert found == [package.script for package in plots_page.PACKAGES]
    named = re.findall(r"npm/([\w-]+)@([\d.]+)", VegaRenderer.SCRIPTS)
    assert named == [(package.name, package.version) for package in plots_page.PACKAGES]


def test_it_brings_their_licences() -> None:
    assert PAGE.count("Redistributions of source code must retain") == len(plots_page.PACKAGES)


def test_dvc_fills_it_and_adds_no_script() -> None:
    assert "{plot_divs}" in PAGE and "{scripts}" not in PAGE
    config = (ROOT / ".dvc/config").read_text(encoding="utf-8")
    assert f"html_template = plots/{plots_page.PAGE.name}\n" in config


def test_a_file_of_another_hash_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    other.write_text("another licence")
    package = plots_page.PACKAGES[0]
    with tarfile.open(tmp_path / f"{package.name}-{package.version}.tgz", "w:gz") as archive:
        archive.add(other, "package/LICENSE")
    monkeypatch.setattr(plots_page.subprocess, "run", lambda *_, **__: None)
    with pytest.raises(UserError, match="package/LICENSE: expected sha256 0af8"):
        plots_page.fetch(package, tmp_path)
