"""Nothing goes online: no byte leaves, and no process even tries."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import sealed, tally, tiny

pytestmark = [pytest.mark.stage, pytest.mark.reliability]

SOME_STAGES = ["--single-item", "prepare_new", "train_ar@ar_smollm2-0", "infer_t4_ar@ar_smollm2-0"]
PROBE = "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'word', ('198.51.100.7', 9))"
"""Sends a packet to an address that is nobody's."""


@pytest.fixture
def copy(copy: Callable[[], tiny.Project]) -> Callable[[], tiny.Project]:
    """Copies whose every command imports its libraries itself: some go online, or do not, when they are imported."""

    def make() -> tiny.Project:
        project = copy()
        project.cold = True
        return project

    return make


def test_stages_send_nothing(copy: Callable[[], tiny.Project], tally: tally.Tally, tmp_path: Path) -> None:
    counted = tmp_path / "carried"
    if not sealed.is_possible(counted):
        pytest.skip("this machine lets no one make a network namespace")
    project = copy()
    stages = [] if tally.thorough else SOME_STAGES
    printed = project.run(*sealed.command(counted, "dvc", "repro", "--force", *stages))
    assert all(f"Running stage '{name}'" in printed for name in SOME_STAGES[1:])
    tally.network_bytes = sealed.carried(counted)
    assert tally.network_bytes == 0

    project.run(*sealed.command(counted, "python", "-c", PROBE))
    assert sealed.carried(counted) > 0  # else the count above would say nothing


def test_plots_are_seen_without_a_network(copy: Callable[[], tiny.Project], tmp_path: Path) -> None:
    """A browser would ask for what a page names in src or href."""
    project = copy()
    seal = sealed.command(tmp_path / "carried") if sealed.is_possible(tmp_path / "carried") else []
    project.run(*seal, "dvc", "plots", "show", "-o", "shown")
    page = (project.folder / "shown/index.html").read_text(encoding="utf-8")
    assert re.findall(r"""(?:src|href)=["']?(?:https?:)?//[^"' ]*""", page) == []
    assert page.count("vegaEmbed('#") >= 8, "the plots"
    assert 'var e="5.20.2"' in page, "what draws them"


def test_no_process_of_the_pipeline_tries_to_reach_a_network(finished: tiny.Project) -> None:
    assert "Running stage 'evaluate'" in finished.log
    assert finished.network == []


def test_an_attempt_would_be_noticed(copy: Callable[[], tiny.Project]) -> None:
    project = copy()
    project.run("python", "-c", "import socket; socket.getaddrinfo('localhost', 9)")
    assert len(project.network) == 1


@pytest.mark.parametrize("setting", ["analytics", "check_update"])
def test_dvc_reports_to_nobody_and_asks_nobody_for_a_newer_version(
    copy: Callable[[], tiny.Project], tmp_path: Path, setting: str
) -> None:
    project = copy()
    seal = sealed.command(tmp_path / "carried") if sealed.is_possible(tmp_path / "carried") else []
    project.run(*seal, "dvc", "version")
    assert project.network == []
    config = project.folder / ".dvc/config"
    config.write_text(config.read_text(encoding="utf-8").replace(f"{setting} = false", ""), encoding="utf-8")
    if seal:  # a real attempt: not without a place where it leads nowhere
        project.run(*seal, "dvc", "version")
        assert any("daemon" in line for line in project.network)


@pytest.mark.parametrize("allowed", [False, True])
def test_the_hub_is_asked_where_a_parameter_allows_it_and_nowhere_else(
    copy: Callable[[], tiny.Project], allowed: bool
) -> None:
    project = copy()
    params: dict[str, Any] = project.params()
    params["backbones"]["far"] = {"source": "hub", "repo": "some/model", "revision": "0" * 40, "allow_hub": allowed}
    project.write_params(params)
    project.environment["HF_ENDPOINT"] = "http://127.0.0.1:9"  # nobody listens there
    printed = project.run("python", "stages/fetch_backbone.py", "far", check=False)
    if allowed:
        assert "the hub did not give some/model" in printed
        assert any("127.0.0.1" in line for line in project.network)
    else:
        assert "set backbones.far.allow_hub to true" in printed
        assert project.network == []
