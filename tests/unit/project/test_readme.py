"""The README: one screen that opens with the content note and shows the pipeline as it is."""

import re
import subprocess

from support import ROOT

from abstractor.base.yaml_file import read_yaml

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_it_opens_with_a_content_note_and_a_crisis_line() -> None:
    assert "988" in TEXT[:500] and "findahelpline.com" in TEXT[:500]


def test_it_is_short() -> None:
    assert len(TEXT.splitlines()) <= 120


def test_its_picture_shows_stages_of_the_pipeline() -> None:
    (picture,) = re.findall(r"```mermaid\n(.*?)```", TEXT, re.DOTALL)
    shown = set(re.findall(r"[a-z]\w+", picture)) - {"flowchart"}
    assert {"prepare", "ensemble"} <= shown <= set(read_yaml(ROOT / "dvc.yaml")["stages"])


def test_the_help_of_make_fits_a_terminal() -> None:
    shown = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "make scores" in shown
    assert [line for line in shown.splitlines() if len(line) > 80] == []
