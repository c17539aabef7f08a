"""Write requirements/cpu.txt, gpu.txt, audit.txt and docs.txt from pyproject.toml: `make lock`.

pip resolves once, with the extras `gpu` and `dev` and the CUDA build of torch; what the `gpu` extra and CUDA
bring is left out of cpu.txt. So whatever both locks name, they name at one version. The tools of the
extras `audit` and `docs` live in environments of their own, hence in locks of their own.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PYTHONS = ("3.11", "3.12", "3.13")
"""Those that pyproject.toml allows: one list for all."""
SOURCE_ONLY = "antlr4-python3-runtime"
"""Has no wheel, and needs none: it is Python alone."""
HEADER = """\
# Written by `make lock` from pyproject.toml, one list for Python 3.11 to 3.13 on Linux: {what}.
# No hashes, since the build of torch differs by machine: pip's own configuration chooses CPU or CUDA.
# {cuda}
"""
CPU = HEADER.format(what="base and `dev`", cuda="Where that is a CUDA build, torch itself pins the CUDA packages.")
GPU = HEADER.format(
    what="with `gpu` and `dev`",
    cuda="The CUDA packages and triton are those that torch pins; unsloth alone would take a newer triton.",
)
TOOLS = """\
# Written by `make lock` from pyproject.toml, one list for Python 3.11 to 3.13 on Linux: the tools of
# {what}.
"""
AUDIT = TOOLS.format(what="`make supply-chain` and `make audit`")
DOCS = TOOLS.format(what="`make docs`")


def main() -> None:
    """Resolve and write the four files."""
    content = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    extras = content["project"]["optional-dependencies"]
    base = [*content["project"]["dependencies"], *content["build-system"]["requires"], *extras["dev"]]
    found = resolve([*base, *extras["gpu"]])
    write("cpu", CPU, {name: found[name] for name in closure(base, found)})
    write("gpu", GPU, found)
    write("audit", AUDIT, resolve(extras["audit"]))
    write("docs", DOCS, resolve(extras["docs"]))


def write(lock: str, header: str, found: dict[str, dict[str, Any]]) -> None:
    """Write requirements/<lock>.txt."""
    # The local suffix (+cpu, +cu130) names a build, which is the machine's choice.
    pins = [f"{name}=={metadata['version'].split('+')[0]}\n" for name, metadata in sorted(found.items())]
    Path(f"requirements/{lock}.txt").write_text(header + "".join(pins), encoding="utf-8")
    for python in PYTHONS:
        check(lock, python)
    print(f"requirements/{lock}.txt: {len(pins)} packages")


def check(lock: str, python: str) -> None:
    """Ask the index for a file of every pin that installs on `python`; pip names the pin that has none, and fails."""
    with tempfile.TemporaryDirectory() as folder:
        files = ["--only-binary", ":all:", "--no-binary", SOURCE_ONLY]
        options = ["--quiet", "--dry-run", "--no-deps", "--python-version", python, "--target", folder, *files]
        subprocess.run([sys.executable, "-m", "pip", "install", *options, "-r", f"requirements/{lock}.txt"], check=True)


def resolve(requirements: list[str]) -> dict[str, dict[str, Any]]:
    """Canonical name -> metadata of what pip would install into an empty environment."""
    # `===` compares letter by letter, so a CPU build (2.13.0+cpu) on this machine is no candidate.
    cuda = [r.replace("==", "===") for r in requirements if Requirement(r).name == "torch"]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        options = ["--quiet", "--dry-run", "--ignore-installed", "--report", str(report)]
        subprocess.run([sys.executable, "-m", "pip", "install", *options, *requirements, *cuda], check=True)
        installs = json.loads(report.read_text(encoding="utf-8"))["install"]
    return {canonicalize_name(item["metadata"]["name"]): item["metadata"] for item in installs}


def closure(requirements: list[str], found: dict[str, dict[str, Any]]) -> set[str]:
    """Names that `requirements` need, directly or not; of torch's own needs, those of its CPU build."""
    seen: set[tuple[str, str]] = set()
    todo = [Requirement(text) for text in requirements]
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        for extra in ("", *requirement.extras):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            for text in found[name].get("requires_dist", []):
                need = Requirement(text)
                cuda = name == "torch" and "platform_system" in str(need.marker)
                if not cuda and (need.marker is None or need.marker.evaluate({"extra": extra})):
                    todo.append(need)
    return {name for name, _ in seen}


if __name__ == "__main__":
    main()
