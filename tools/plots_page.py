"""Write .dvc/plots/page.html, the page of `dvc plots show`, once for each version of DVC: python tools/plots_page.py.

DVC's own page has the browser load Vega from another host. This one holds the same versions of it, so that plots are
seen without a network, and nobody learns that they are. npm fetches the packages; only files of the sha256 below are
taken.
"""

import hashlib
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

from abstractor.base.errors import UserError
from abstractor.base.files import replaced
from abstractor.base.script import run_script

PAGE = Path(__file__).parents[1] / ".dvc/plots/page.html"
HEAD = """\
<!DOCTYPE html>
<html>
<head>
<!-- Written by `make plots-page`. -->
<meta charset="utf-8">
{refresh_tag}
<title>Plots</title>
"""
TAIL = """\
<script>
  // No menu entry that sends a plot to an editor on another host.
  const embed = vegaEmbed;
  const actions = {export: true, source: true, compiled: true, editor: false};
  vegaEmbed = (place, plot) => embed(place, plot, {actions});
</script>
</head>
<body>
{plot_divs}
</body>
</html>
"""


class Package(NamedTuple):
    """An npm package whose script the page holds, with the sha256 of both files that are taken."""

    name: str
    version: str
    script: str
    licence: str


PACKAGES = (
    Package(
        "vega",
        "5.20.2",
        script="4794d0169cb1f3ebad8117fe98ba5bd652dd725905ec0384e832391dbccb03be",
        licence="0af895a1dac4df349658e87c9605638d5b79f86bc8533dfb8e43a05c18dca92d",
    ),
    Package(
        "vega-lite",
        "5.2.0",
        script="d73157451b3978015ab31dacd55ff90d986ab8663fc0abed50f97b3cd90002cb",
        licence="f618900fd0d64046963b29f40590cdd1e341a2f41449f99110d82fd81fea808c",
    ),
    Package(
        "vega-embed",
        "6.18.2",
        script="1ba9826431ddc9805e815ad92acc811c819f2bfd32bda2a128b8c4b5070fab5e",
        licence="32df67148f0fc3db0eb9e263a7b75d07f1eb14c61955005a4a39c6918d10d137",
    ),
)
"""Those that dvc-render names, in the order in which they need one another."""


class PageError(UserError):
    """npm is missing or reached no registry, or a package is not what it was."""


def fetch(package: Package, folder: Path) -> str:
    """Script and licence of a package, as the page holds them.

    Raises:
        PageError: npm did not fetch it, or a file has another hash.
    """
    command = ["npm", "pack", "--silent", "--pack-destination", str(folder), f"{package.name}@{package.version}"]
    try:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError) as error:
        raise PageError(
            f"expected `npm pack` to fetch {package.name} {package.version}, found {type(error).__name__}; run `make "
            "plots-page` where npm is installed and reaches a registry"
        ) from None
    with tarfile.open(folder / f"{package.name}-{package.version}.tgz") as archive:
        licence = _read(archive, "package/LICENSE", package.licence)
        script = _read(archive, f"package/build/{package.name}.min.js", package.script)
    return f"<!-- {package.name} {package.version}\n{licence}-->\n<script>{script}</script>\n"


def _read(archive: tarfile.TarFile, name: str, expected: str) -> str:
    file = archive.extractfile(name)
    content = file.read() if file else b""
    if (found := hashlib.sha256(content).hexdigest()) != expected:
        raise PageError(f"{name}: expected sha256 {expected}, found {found}; do not use it: ask whence it is")
    return content.decode("utf-8")


def main() -> None:
    """Fetch the packages and write the page."""
    with tempfile.TemporaryDirectory() as folder:
        scripts = [fetch(package, Path(folder)) for package in PACKAGES]
    with replaced(PAGE) as partial:
        partial.write_text("".join([HEAD, *scripts, TAIL]), encoding="utf-8")
    print(f".dvc/plots/{PAGE.name}: {len(scripts)} scripts")


if __name__ == "__main__":
    run_script(main)
