"""Predicts where a bundle was unpacked, on a machine without git, DVC or network: what the bundle's main.py runs.

It calls what the stages from `prepare_new` to `ensemble` call, on the files that they would read. Packages are imported
where they are used: one that is missing is refused like any other fault.

`data/` is the user's, and may be mounted read-only: nothing there is written, and no stray file refused.
"""

import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from abstractor.base.messages import handoff as messages

if TYPE_CHECKING:
    from abstractor.base.members import Members, Training
    from abstractor.data.cases.codebook import Codebook
    from abstractor.machine.compute import Compute
    from abstractor.models.ar.reading import Reading
    from abstractor.predicting.predictor import Predictor

MANIFEST = Path("manifest.json")
"""Path of every other file of a bundle -> its sha256."""
FEATURES, LAYOUT = Path("data/test_features.csv"), Path("data/submission_format.csv")
SUBMISSION = Path("submission.csv")

PRIVATE = ("models",)
"""Folders of the bundle that only their owner may enter."""

_CLOSED = ("src", "codebooks", "models")
"""Folders that hold what the bundle brought and nothing else."""
_WORK = Path(".scratch/cases")
"""Checked cases and what each model says of them, while they are needed."""
_CACHE = Path(".scratch/cache")
"""Of libraries, which would take data/ for it."""


def main() -> None:
    """Write submission.csv in the working directory, which is the bundle's folder.

    Raises:
        BundleError: a file of the bundle is missing, changed or strange to it, or a package is missing.
    """
    os.environ.setdefault("HF_HOME", str(_CACHE.resolve()))
    try:
        verify(Path())
        predict()
    except ModuleNotFoundError as error:
        raise messages.no_package(error.name) from None


def verify(folder: Path) -> None:
    """Refuse a bundle that is not whole.

    Raises:
        BundleError: names the first file that is missing, changed, or lies among code, codebooks or models and is not
            the bundle's.
    """
    from pydantic import TypeAdapter, ValidationError

    from abstractor.base.files import sha256

    try:
        listed = TypeAdapter(dict[str, str]).validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValidationError):
        raise messages.no_manifest(MANIFEST) from None
    for name, expected in listed.items():
        if not (folder / name).is_file():
            raise messages.missing(name)
        if sha256(folder / name) != expected:
            raise messages.changed(name)
    for path in sorted(path for name in _CLOSED for path in (folder / name).rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in listed:
            raise messages.added(name)


def predict() -> None:
    """Predict all cases of `FEATURES` and write `SUBMISSION`, in the order of `LAYOUT`, else of `FEATURES`.

    A run that was stopped goes on where it was.

    Raises:
        UserError: what the stages refuse.
    """
    from abstractor.base import files
    from abstractor.base.members import read as read_members
    from abstractor.base.params import CorpusName, Params
    from abstractor.data import predictions
    from abstractor.data.cases import codebook
    from abstractor.data.cases.prepared import PreparedCases, write_cases
    from abstractor.data.raw.cases import read_features, read_layout, read_uids
    from abstractor.machine.compute import Inference, prepare_machine
    from abstractor.predicting import gathering
    from abstractor.runs import resume
    from abstractor.scoring.ensemble import blend, submission
    from abstractor.scoring.scores import thresholds

    params = Params()
    members = read_members(params)
    book = codebook.load(Path(f"codebooks/{params.get('corpus', CorpusName)}.yaml"))
    fitted = blend.read(blend.PATH, book, members.names)
    told: list[str] = []
    found, order = read_features(FEATURES, book, told), read_uids(FEATURES)
    print("\n".join([*told, ""]), end="")
    if LAYOUT.is_file():
        read_layout(LAYOUT, book, found.index)  # refused now, not after hours of scoring
    # The bundle runs on another machine than the one that params.yaml was written for.
    infer = params.get("infer", Inference).model_copy(update={"device": "auto"})
    compute = prepare_machine(infer)
    with files.emptied(_WORK) as work, resume.kept("bundle", FEATURES, MANIFEST, compute) as done:
        write_cases(work / "new_cases.parquet", book, found)
        cases = PreparedCases(work / "new_cases.parquet", book)

        def write(scorer: "Predictor", name: str, training: "Training") -> None:
            parts = cases.parts(infer.chunk_cases)
            tables = scorer.predict(parts, len(cases), f"{name}/{training}", done / name / str(training))
            predictions.write_parts(work / "new" / name / f"{training}.parquet", book, tables)

        _score(members, book, compute, infer.batch_tokens, write)
        gathering.new_cases(work / "infer_t4.parquet", work / "new", members, book)
        new = gathering.read(work / "infer_t4.parquet", members, book)
        decisions = thresholds.decide(book, blend.pool(book, new, fitted), fitted.thresholds)
        # Inside: what each model said is kept until the last step is done.
        arranged = submission.arranged(decisions, book, LAYOUT) if LAYOUT.is_file() else decisions.loc[order]
        submission.write(SUBMISSION, arranged)
    print(f"{SUBMISSION}: {len(decisions)} cases")


def _score(
    members: "Members",
    book: "Codebook",
    compute: "Compute",
    batch_tokens: int,
    write: "Callable[[Predictor, str, Training], None]",
) -> None:
    """Hand each reader to `write`, one at a time; a backbone is loaded once and its adapters take turns on it."""
    from abstractor.models.ar import loading
    from abstractor.models.ar.reading import read
    from abstractor.predicting.ar import load_base, predictor_of
    from abstractor.predicting.sc import predictor

    for name in members.sc:
        for training in members.readers:
            write(predictor(book, Path("models") / name / str(training), compute, batch_tokens), name, training)
            _free()
    folders = {(name, each): Path("models") / name / str(each) for name in members.ar for each in members.readers}
    readings = {place: read(folder, book) for place, folder in folders.items()}
    for loaded_as in dict.fromkeys(map(_loaded_as, readings.values())):
        alike = [place for place, reading in readings.items() if _loaded_as(reading) == loaded_as]
        base = load_base(readings[alike[0]], compute)
        for place in alike:
            model = loading.load(folders[place], base)
            write(predictor_of(model, readings[place], book, compute, batch_tokens), *place)
            base = model.unload()
        del base, model
        _free()


def _loaded_as(reading: "Reading") -> tuple[str, str, str]:
    """What tells the loaded backbones of two models apart."""
    return reading.backbone, reading.attention, reading.quantize


def _free() -> None:
    """Give the memory of models that nothing names any more back to the next one."""
    import torch

    gc.collect()  # a model and the driver around it name each other
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
