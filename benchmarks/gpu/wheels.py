"""The packages that a bare machine lacks, as wheels: fetched where there is an index, unpacked where there is none."""

import subprocess
import sys
import zipfile
from pathlib import Path

from gpu.steps import ROOT

PACKAGES = (
    "aiohappyeyeballs", "aiohttp", "aiosignal", "annotated-types", "attrs", "bitsandbytes", "charset-normalizer",
    "cloudpickle", "datasets", "dill", "disentangled-flash", "frozenlist", "iterative-stratification", "joblib",
    "multidict", "multiprocess", "narwhals", "pandas", "peft", "propcache", "pyarrow", "pydantic", "pydantic-core",
    "python-dateutil", "rensa", "requests", "ruamel-yaml", "scikit-learn", "scipy", "six", "threadpoolctl",
    "typing-inspection", "urllib3", "xxhash", "yarl",
)  # fmt: skip
"""What the steps import beside torch, transformers, accelerate, safetensors, sentencepiece and what these need."""
PYTHON = "3.12"
PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in (17, 24, 26, 27, 28, 34)] + ["manylinux2014_x86_64"]
"""Of the wheels: pip takes none of an older one for a newer one by itself."""
LIBRARY = "libbitsandbytes_cuda130.so"
"""The one of bitsandbytes' thirty that goes along; all together do not fit into one part."""
PART = 62 * 2**20
"""Bytes that a part may have: machines that take 64 MiB in one piece take it with what is around it."""


def collect(folder: Path) -> None:
    """Download the locked versions and lay them in parts, DIR/1, DIR/2, ..

    Raises:
        SystemExit: the index lacks one of them, or one does not fit into a part.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lines = (ROOT / "requirements/gpu.txt").read_text(encoding="utf-8").splitlines()
    lock = [line.split(" ")[0] for line in lines if line.split("==")[0] in PACKAGES]
    command = [sys.executable, "-m", "pip", "download", "-qqq", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--python-version", PYTHON, "--dest", str(folder)]
    for platform in PLATFORMS:
        command += ["--platform", platform]
    if subprocess.run([*command, *lock], check=False).returncode:
        sys.exit("the package index lacks what is said above, for Python " + PYTHON)
    for wheel in folder.glob("bitsandbytes-*.whl"):
        without(wheel, LIBRARY)
    for number, part in enumerate(parts(sorted(folder.glob("*.whl"))), 1):
        place = folder / str(number)
        place.mkdir(exist_ok=True)
        size = sum(wheel.stat().st_size for wheel in part)
        for wheel in part:
            wheel.rename(place / wheel.name)
        print(f"{place}: {size / 2**20:.1f} MiB, {len(part)} wheels")


def parts(wheels: list[Path]) -> list[list[Path]]:
    """Wheels in as few parts as first fit finds, the largest first.

    Raises:
        SystemExit: one does not fit into a part.
    """
    found: list[tuple[int, list[Path]]] = []
    for wheel in sorted(wheels, key=lambda path: path.stat().st_size, reverse=True):
        size = wheel.stat().st_size
        if size > PART:
            sys.exit(f"{wheel.name}: expected at most {PART} bytes, found {size}")
        place = next((number for number, (held, _) in enumerate(found) if held + size <= PART), len(found))
        held, part = found.pop(place) if place < len(found) else (0, [])
        found.insert(place, (held + size, [*part, wheel]))
    return [part for _, part in found]


def without(wheel: Path, keep: str) -> None:
    """Write a wheel anew without its shared libraries but the one named.

    Raises:
        SystemExit: it has no such library.
    """
    whole = wheel.with_suffix(".whole")
    wheel.rename(whole)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as target:
        if not any(name.endswith(f"/{keep}") for name in source.namelist()):
            sys.exit(f"{wheel.name}: expected {keep} in it, found none")
        for member in source.infolist():
            if not member.filename.endswith(".so") or member.filename.endswith(f"/{keep}"):
                target.writestr(member, source.read(member), zipfile.ZIP_DEFLATED)
    whole.unlink()


def unpack(folder: Path, into: Path) -> None:
    """Unpack all wheels of a folder and its parts, to stand first on the module path.

    Raises:
        SystemExit: there are none.
    """
    wheels = sorted(folder.rglob("*.whl"))
    if not wheels:
        sys.exit(f"{folder}: expected wheels, found none; make them with --collect {folder}")
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(into)
