"""Write one archive that predicts without network, git or DVC: python tools/t4_bundle.py [--out FILE].

The same models make the same bytes. It holds code, models, codebook and versions, and no case.
"""

import argparse
import io
import json
import tarfile
from collections.abc import Iterator
from modulefinder import ModuleFinder
from pathlib import Path

from abstractor.base.files import replaced, sha256
from abstractor.base.members import Members
from abstractor.base.members import read as read_members
from abstractor.base.params import PARAMS, PIPELINE, CorpusName, Params
from abstractor.base.script import run_script
from abstractor.data.cases import codebook
from abstractor.handoff import bundle
from abstractor.models.shared.local import backbone_folder, check_backbone
from abstractor.scoring.ensemble import blend

OUT, FRAME, SRC = Path("build/t4-bundle.tar"), Path("tools/bundle"), Path("src")
LOCKS = (Path("requirements/cpu.txt"), Path("requirements/gpu.txt"))
WRITTEN = 315_532_800
"""1980 in Unix time: tar takes an older one for a mistake."""


def gathered(params: Params) -> dict[str, Path]:
    """Path in the archive -> file, of all that predicting needs.

    Raises:
        UserError: a model, a backbone or the blend is missing or does not fit the others; says what makes it.
    """
    members = read_members(params)
    book_path = Path(f"data/codebooks/{params.get('corpus', CorpusName)}.yaml")
    book = codebook.load(book_path)
    blend.read(blend.PATH, book, members.names)
    files = [PARAMS, PIPELINE, blend.PATH, *LOCKS, *code(), *models(members, book)]
    named = {path.name: path for path in sorted(FRAME.iterdir()) if path.is_file()}
    # Not in data/, which a runtime may mount over whatever an archive has there.
    named[f"codebooks/{book_path.name}"] = book_path
    return named | {str(path): path for path in files}


def code() -> list[Path]:
    """The modules of the library that the archive's main.py comes to import."""
    finder = ModuleFinder(path=[str(SRC)])
    finder.run_script(str(FRAME / "main.py"))
    found = [vars(module)["__file__"] for name, module in finder.modules.items() if name != "__main__"]
    return [SRC / Path(file).relative_to(SRC.resolve()) for file in found if file]  # a built-in module has none


def models(members: Members, book: codebook.Codebook) -> Iterator[Path]:
    """The files of every model that reads new cases, and once those of each backbone that is read.

    Of a backbone that only classifiers with weights of their own were trained from, that is all but its weights.

    Raises:
        UserError: a file is missing, or is not what training wrote or read.
    """
    from abstractor.models.ar.reading import read as read_language_model
    from abstractor.models.sc.reading import read as read_classifier

    weighty: dict[str, bool] = {}
    for name in members.names:
        for training in members.readers:
            folder = Path("models") / name / str(training)
            if name in members.sc:
                classifier = read_classifier(folder, book)
                backbone, adapted = classifier.backbone, classifier.adapter
            else:
                backbone, adapted = read_language_model(folder, book).backbone, True
            weighty[backbone] = weighty.get(backbone, False) or adapted
            yield from sorted(folder.iterdir())
        check_backbone(Path("models") / name / "backbone.json", backbone)
    for backbone, needed in weighty.items():
        for path in sorted(backbone_folder(backbone).iterdir()):
            if needed or not path.name.startswith("model"):  # model.safetensors, its parts and their index
                yield path


def write(out: Path, files: dict[str, Path]) -> None:
    """Write the archive, whole or not at all, readable by its owner only; the same bytes from the same files."""
    listed = {name: sha256(path) for name, path in files.items()}
    manifest = (json.dumps(listed, indent=2, sort_keys=True) + "\n").encode()
    with replaced(out) as partial, tarfile.open(partial, "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(entry(str(bundle.MANIFEST), len(manifest)), io.BytesIO(manifest))
        for name, path in sorted(files.items()):
            with path.open("rb") as file:
                archive.addfile(entry(name, path.stat().st_size), file)


def entry(name: str, size: int) -> tarfile.TarInfo:
    """A file of the archive, without what differs by machine and day."""
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o600, WRITTEN
    return info


def main() -> None:
    """Gather and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT, help=f"default {OUT}")
    out: Path = parser.parse_args().out
    files = gathered(Params())
    write(out, files)
    print(f"{out}: {len(files)} files, {out.stat().st_size / 1e6:.1f} MB; confidential, as the models in it are")


if __name__ == "__main__":
    run_script(main)
