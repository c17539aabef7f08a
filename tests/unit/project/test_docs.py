"""What the documentation tells a reader to type, to open or to follow exists."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import ROOT

from abstractor.base.params import Params

PAGES = sorted((ROOT / "docs").rglob("*.md"))
READ = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "tests/README.md", *PAGES]
TYPED = [ROOT / "README.md", *sorted((ROOT / "docs/start").glob("*.md"))]
"""Pages whose commands are tried by newcomers."""
COMMANDS = [
    command
    for path in TYPED
    for command in re.findall(r"^\w*[$#] (.*?)(?:  +#.*)?$", path.read_text(encoding="utf-8"), re.MULTILINE)
]
SPHINX = ROOT / ".venv/docs/bin/python"


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def prose(path: Path) -> str:
    """A page without its code."""
    return re.sub(r"```.*?```|`[^`\n]*`", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)


def anchors(path: Path) -> set[str]:
    """The headings of a page as links name them."""
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(path: Path) -> Iterator[str]:
    """The links of a page, to pages and headings of the project, that lead nowhere."""
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        place, _, anchor = link.partition("#")
        target = (path.parent / place).resolve() if place else path
        if "://" not in link and (not target.exists() or (anchor and anchor not in anchors(target))):
            yield link


@pytest.mark.parametrize("path", READ, ids=name)
def test_links_lead_somewhere(path: Path) -> None:
    assert [*broken(path)] == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# A heading, here\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](there.md#a-heading-here) [b](there.md#no) [c](gone.md) [d](https://example.org) `[e](code.md)`\n"
    )
    assert [*broken(page)] == ["there.md#no", "gone.md"]


def test_every_page_is_in_the_index() -> None:
    trees = re.findall(r"```\{toctree\}\n(.*?)```", (ROOT / "docs/index.md").read_text(encoding="utf-8"), re.DOTALL)
    listed = [line for tree in trees for line in tree.splitlines() if "/" in line]
    found = {path.relative_to(ROOT / "docs").with_suffix("").as_posix() for path in PAGES}
    assert sorted(listed) == sorted(found - {"index"})
    linked = re.findall(r"\]\(([\w/-]+)\.md\)", (ROOT / "docs/index.md").read_text(encoding="utf-8"))
    assert sorted(linked) == sorted(listed)


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {word for command in COMMANDS for word in re.findall(r"\bmake ([a-z0-9-]+)", command)}
    assert {"repro", "test", "corpus", "predict"} <= named <= targets


def test_parameters_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    keys = [key for command in COMMANDS for key in re.findall(r"-S ([\w.]+)=", command)]
    assert "rdrop" in keys
    for key in keys:
        Params().get(key, object)


def test_files_of_commands_exist() -> None:
    folders = r"\b(?:stages|tools|benchmarks|recipes|requirements|tests)/[\w./-]+"
    files = {file for command in COMMANDS for file in re.findall(folders, command)}
    assert "requirements/gpu.txt" in files
    for file in files:
        assert (ROOT / file).exists(), file


def test_files_and_folders_exist() -> None:
    text = (ROOT / "docs/understand/architecture.md").read_text(encoding="utf-8")
    tree = text.split("## What lies where")[1].split("```")[1]
    names = re.findall(r"^([a-z][\w./]*)", tree, re.MULTILINE)
    assert "dvc.yaml" in names
    for file in names:
        assert (ROOT / file).exists(), file


def test_stages_exist() -> None:
    text = (ROOT / "docs/understand/pipeline.md").read_text(encoding="utf-8")
    pipeline = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    stages = set(re.findall(r"^  ([a-z]\w+):$", pipeline.split("\nstages:\n")[1], re.MULTILINE))
    cells = [
        row.split(" | ")[0] for table in text.split("| stage |")[1:] for row in table.split("\n\n")[0].splitlines()
    ]
    assert {stage for cell in cells for stage in re.findall(r"`([a-z_0-9]+)`", cell)} == stages


def test_the_site_is_told_of_no_other_host() -> None:
    assert "://" not in (ROOT / "docs/conf.py").read_text(encoding="utf-8")
    for path in PAGES:
        assert not re.search(r"!\[[^\]]*\]\(\w+://|<(?:script|link|img|iframe)\b", prose(path)), path


@pytest.mark.stage
@pytest.mark.skipif(not SPHINX.exists(), reason="`make docs` installs what builds the site")
def test_the_site_asks_no_other_host_for_anything(tmp_path: Path) -> None:
    options = ["--quiet", "--fail-on-warning", "--keep-going", "-d", str(tmp_path / "doctrees")]
    subprocess.run([SPHINX, "-m", "sphinx", *options, ROOT / "docs", tmp_path / "site"], check=True)
    assert (tmp_path / "site/search.html").exists()
    for path in [*(tmp_path / "site").rglob("*.html"), *(tmp_path / "site").rglob("*.css")]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r'<(?:script|link|img|iframe)\b[^>]*(?:src|href)="(?:\w+:)?//', text), path
        assert not re.search(r"url\([\"']?(?:https?:)?//|@import", text), path


@pytest.mark.parametrize("path", READ, ids=name)
def test_what_a_page_names_in_the_tree_is_there(path: Path) -> None:
    named = re.findall(r"`([^`\n]+)`", path.read_text(encoding="utf-8"))
    files = {
        file for text in named for file in re.findall(r"^((?:src|stages|tools|tests|recipes|docs)/[\w./-]+)", text)
    }
    assert [file for file in sorted(files) if not (ROOT / file).exists()] == []
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {target for text in named for target in re.findall(r"^make ([a-z0-9-]+)", text)} <= targets
