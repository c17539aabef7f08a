"""Ask for known vulnerabilities of the locked packages: python tools/audit.py, or `make audit`. Goes online.

docs/evidence/audit.md keeps the answers with their date. pip-audit takes a package that a service has never heard of
for one without vulnerabilities and leaves with 0; here no answer is no answer, and the command fails unless one service
knew every package. The package index is also asked for releases that their authors have withdrawn.
"""

import argparse
import hashlib
import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from supply_chain import REQUIREMENTS, ROOT, TOOLS, SupplyChainError, look_up, pins

from abstractor.base.errors import UserError
from abstractor.base.script import run_script

PAGE = ROOT / "docs/evidence/audit.md"
LOCK = "gpu"
"""The larger lock: all of cpu.txt at the same versions, and more."""
SERVICES = {"pypi": "advisories of the package index", "osv": "OSV, the Open Source Vulnerabilities database"}
CLEAN = "No known vulnerability."
WITHDRAWN = "releases that the package index marks as withdrawn"


class AuditError(UserError):
    """No service answered for every package, or something was found."""


@dataclass(frozen=True)
class Answer:
    """What one source said."""

    source: str
    known: int
    """Packages that it answered for, with or without findings."""
    findings: tuple[tuple[str, str, str, str], ...] = ()
    """Package, version, what is known of it, the version that mends it."""
    trouble: str = ""
    """Why there was no answer."""


def ask(service: str, osv_url: str | None) -> Answer:
    """Ask one service of pip-audit about all packages of the lock."""
    options = ["--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json", "--desc", "off"]
    if osv_url is not None:
        options += ["--osv-url", osv_url]
    lock = ["--requirement", str(REQUIREMENTS / f"{LOCK}.txt")]
    command = [str(TOOLS / "pip-audit"), "--vulnerability-service", service, *options, *lock]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return read(SERVICES[service], done.stdout, done.stderr)


def read(source: str, output: str, errors: str) -> Answer:
    """Read what pip-audit wrote: JSON, or an exception."""
    try:
        dependencies: list[dict[str, Any]] = json.loads(output)["dependencies"]
    except ValueError:
        *_, last = ["no output", *errors.strip().splitlines()]
        return Answer(source, 0, trouble=last.partition(":")[0].rpartition(".")[2])
    known = [package for package in dependencies if "skip_reason" not in package]
    findings = [
        (package["name"], package["version"], finding["id"], ", ".join(finding["fix_versions"]) or "none")
        for package in known
        for finding in package["vulns"]
    ]
    return Answer(source, len(known), tuple(findings), trouble="" if known else "knows none of the packages")


def withdrawn() -> Answer:
    """Ask the package index for withdrawn releases, through pip."""
    try:
        found = look_up(LOCK)
    except SupplyChainError:
        return Answer(WITHDRAWN, 0, trouble="pip got no answer")
    gone = {name: item["metadata"]["version"] for name, item in found.items() if item["is_yanked"]}
    return Answer(WITHDRAWN, len(found), tuple((name, version, "withdrawn", "") for name, version in gone.items()))


def verdict(answers: Sequence[Answer], total: int) -> str:
    """One sentence on what is known now."""
    findings = {finding[:2] for answer in answers for finding in answer.findings}
    if findings:
        return f"Packages with findings: {len(findings)}. Raise their versions in pyproject.toml, then `make lock`."
    if any(answer.known == total for answer in answers if answer.source != WITHDRAWN):
        return CLEAN
    return (
        "Open: no service of vulnerabilities answered for every package, so nothing is known of them; "
        "run `make audit` where one can be reached."
    )


def lock_hash() -> str:
    """Sha256 of the lock that the page speaks of."""
    return hashlib.sha256((REQUIREMENTS / f"{LOCK}.txt").read_bytes()).hexdigest()


def page(answers: Sequence[Answer], total: int, date: str) -> Iterator[str]:
    """The page, line by line."""
    yield "# Audit of the lock"
    yield ""
    yield f"Written by `make audit` on {date}: the {total} packages of requirements/{LOCK}.txt, cpu.txt among them."
    yield f"Its sha256: {lock_hash()}."
    yield ""
    yield f"**{verdict(answers, total)}**"
    yield ""
    yield "| asked | packages answered for | findings |"
    yield "|---|---|---|"
    for answer in answers:
        known = f"{answer.known} of {total}" + (f" ({answer.trouble})" if answer.trouble else "")
        yield f"| {answer.source} | {known} | {'not known' if answer.trouble else len(answer.findings)} |"
    if any(answer.findings for answer in answers):
        yield ""
        yield "| package | version | finding | mended in |"
        yield "|---|---|---|---|"
        for finding in sorted({finding for answer in answers for finding in answer.findings}):
            yield f"| {' | '.join(finding)} |"


def main() -> None:
    """Ask all, write the page, say the verdict."""
    parser = argparse.ArgumentParser(description="Ask for known vulnerabilities of the locked packages.")
    parser.add_argument("--osv-url", help="query address of a mirror of OSV")
    osv_url = parser.parse_args().osv_url
    total = len(pins(LOCK))
    answers = [*(ask(service, osv_url) for service in SERVICES), withdrawn()]
    date = datetime.now(UTC).date().isoformat()
    PAGE.write_text("\n".join(page(answers, total, date)) + "\n", encoding="utf-8")
    said = verdict(answers, total)
    if said != CLEAN:
        raise AuditError(f"{PAGE.relative_to(ROOT)}: {said}")
    print(f"{PAGE.relative_to(ROOT)}: {said}")


if __name__ == "__main__":
    run_script(main)
