"""An audit that got no answer is not taken for one that found nothing."""

import json

import audit
import pytest
import supply_chain
from audit import Answer
from support import ROOT

PAGE = (ROOT / "docs/evidence/audit.md").read_text(encoding="utf-8")


def test_the_page_speaks_of_the_present_lock() -> None:
    assert audit.lock_hash() in PAGE, "the lock has changed: run `make audit`"


def test_the_larger_lock_holds_the_other() -> None:
    assert supply_chain.pins("cpu").items() <= supply_chain.pins(audit.LOCK).items()


def test_findings_are_read() -> None:
    vulnerability = {"id": "PYSEC-1", "fix_versions": ["1.1", "2.0"], "aliases": []}
    dependencies = [
        {"name": "bad", "version": "1.0", "vulns": [vulnerability]},
        {"name": "good", "version": "1.0", "vulns": []},
        {"name": "unheard", "skip_reason": "not found"},
    ]
    answer = audit.read("osv", json.dumps({"dependencies": dependencies}), "")
    assert answer == Answer("osv", 2, (("bad", "1.0", "PYSEC-1", "1.1, 2.0"),))
    assert audit.verdict([answer], 3).startswith("Packages with findings: 1.")
    assert "| bad | 1.0 | PYSEC-1 | 1.1, 2.0 |" in audit.page([answer], 3, "2000-01-01")


def test_a_service_that_knows_no_package_gave_no_answer() -> None:
    """What pip-audit itself calls "No known vulnerabilities found"."""
    silence = {"dependencies": [{"name": "a", "skip_reason": "not found"}, {"name": "b", "skip_reason": "not found"}]}
    answer = audit.read("pypi", json.dumps(silence), "")
    assert answer == Answer("pypi", 0, trouble="knows none of the packages")
    assert audit.verdict([answer], 2).startswith("Open")
    assert "| pypi | 0 of 2 (knows none of the packages) | not known |" in audit.page([answer], 2, "2000-01-01")


def test_a_service_out_of_reach_gave_no_answer_and_its_host_is_not_kept() -> None:
    errors = "Traceback ...\nrequests.exceptions.ConnectionError: HTTPSConnectionPool(host='example.org', port=443)\n"
    answer = audit.read("osv", "", errors)
    assert answer == Answer("osv", 0, trouble="ConnectionError")
    assert audit.read("osv", "", "").trouble == "no output"


@pytest.mark.parametrize(
    ("answers", "clean"),
    [
        ([Answer("osv", 2)], True),
        ([Answer("pypi", 1), Answer("osv", 2)], True),
        ([Answer("pypi", 1), Answer("osv", 1)], False),
        ([Answer(audit.WITHDRAWN, 2)], False),
        ([Answer("osv", 2), Answer(audit.WITHDRAWN, 2, (("a", "1.0", "withdrawn", ""),))], False),
    ],
)
def test_clean_is_only_what_one_service_of_vulnerabilities_fully_answered(answers: list[Answer], clean: bool) -> None:
    assert (audit.verdict(answers, 2) == audit.CLEAN) is clean
