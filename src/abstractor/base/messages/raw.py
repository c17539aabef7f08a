"""Of raw corpus files: where they break the rules. No text quotes a cell, except a short number."""

from collections.abc import Sequence
from pathlib import Path

from abstractor.base.messages.cases import CorpusError

_MOST = 10
"""Problems that a message lists; who mends ten sees the next ten."""


def no_file(path: Path, names: Sequence[str]) -> CorpusError:
    found = "is a folder" if path.is_dir() else "is missing"
    return CorpusError(f"{path} {found}; expected a file with the columns {_some(names)}")


def several(problems: Sequence[CorpusError]) -> CorpusError:
    """The first ten of them, a line each."""
    lines = [line for problem in problems for line in str(problem).split("\n")]
    more = [f"and {len(lines) - _MOST} more problems"] if len(lines) > _MOST else []
    return CorpusError("\n".join(lines[:_MOST] + more))


def other_format(path: Path) -> CorpusError:
    return CorpusError(f"{path}: expected a .csv, .tsv, .txt or .parquet file")


def repeated_column(path: Path, name: str, first: int, second: int) -> CorpusError:
    return CorpusError(f"{path}: column {name} stands twice (columns {first} and {second}); remove one")


def missing_columns(path: Path, missing: Sequence[str], columns: int) -> CorpusError:
    hint = "; separate the columns by commas" if columns == 1 else ""
    return CorpusError(
        f"{path}: the header has no column {_some(missing)} among its {columns}; "
        f"name the columns as in the codebook, in the first line{hint}"
    )


def unknown_columns(path: Path, first: int, length: int, count: int) -> CorpusError:
    return CorpusError(
        f"{path}: column {first} has a name ({length} characters) that is not in the "
        f"codebook ({count} such columns); remove it, correct its name or add it to the codebook"
    )


def nameless_column(path: Path, column: int) -> CorpusError:
    return CorpusError(
        f"{path}: column {column} has no name, and its cells do not just count the rows; remove or name it, or "
        "quote the cell that holds commas and so moved those behind it"
    )


def empty_file(path: Path) -> CorpusError:
    return CorpusError(f"{path} is empty; expected a header and one row a case")


def header_alone(path: Path) -> CorpusError:
    return CorpusError(f"{path} has a header and no rows; expected one row a case")


def no_rows(path: Path) -> CorpusError:
    return CorpusError(f"{path} has no rows; expected one row a case")


def ragged_row(path: Path, row: int, expected: int, found: int) -> CorpusError:
    return CorpusError(
        f"{path}, row {row}: expected {expected} cells as in the header, found {found}; "
        f"quote a cell that holds commas or line breaks"
    )


def row_names(path: Path, columns: int) -> CorpusError:
    return CorpusError(
        f"{path}: the header has {columns} cells and every row one more, as R writes names of rows; export the file "
        "without them (row.names = FALSE)"
    )


def other_header(path: Path, row: int) -> CorpusError:
    return CorpusError(
        f"{path}, row {row}: the names of the columns stand here again, in another order or spelling; put tables below "
        "one another only with the same columns in the same order"
    )


def open_quote(path: Path, row: int) -> CorpusError:
    where = f"row {row}" if row else "header"
    return CorpusError(
        f"{path}, {where}: a quote is not closed or not doubled; quote a cell that holds quotes, commas or line "
        f'breaks, and write each quote inside it as ""'
    )


def not_utf8(path: Path, line: int, byte: int) -> CorpusError:
    return CorpusError(f"{path}, line {line}: not UTF-8 (byte {byte}); save the file as UTF-8")


def nul_in_line(path: Path, line: int) -> CorpusError:
    return CorpusError(f"{path}, line {line}: a NUL character, which no text has; export the file again as UTF-8")


def nul_in_cell(path: Path, row: int, name: str) -> CorpusError:
    return CorpusError(f"{path}, row {row}, column {name}: a NUL character, which no text has; export it again")


def no_parquet(path: Path) -> CorpusError:
    return CorpusError(f"{path} cannot be read as Parquet; export it again")


def no_text(path: Path, name: str) -> CorpusError:
    return CorpusError(f"{path}, column {name}: expected UTF-8 text or numbers; export it again")


def too_large(path: Path, always: int, expansion: int) -> CorpusError:
    return CorpusError(
        f"{path}: expected a table of at most {always // 2**30} GB in memory, or {expansion} times the file's size, "
        "found a larger one; export it again, or in parts"
    )


def no_label(path: Path, name: str) -> CorpusError:
    return CorpusError(f"{path}: no case has a label for {name}; add some or drop {name} from the codebook")


def no_narrative(path: Path, row: int, count: int, narratives: Sequence[str]) -> CorpusError:
    return CorpusError(
        f"{path}, row {row}: every narrative is empty ({count} such rows); a case needs at "
        f"least one of {', '.join(narratives)}: fill it in or remove the case"
    )


def too_many_marks(path: Path, row: int, name: str) -> CorpusError:
    return CorpusError(
        f"{path}, row {row}, column {name}: more than 30 combining marks in a row, which no script has; "
        f"export the file again"
    )


def empty_uid(path: Path, row: int) -> CorpusError:
    return CorpusError(f"{path}, row {row}: the uid is empty; give every case its own")


def lost_cell(path: Path, row: int, name: str) -> CorpusError:
    return CorpusError(
        f"{path}, row {row}, column {name}: a spreadsheet's error in place of the text, which is lost; export the "
        "column as text from where it comes"
    )


def inexact_uid(path: Path, row: int) -> CorpusError:
    return CorpusError(
        f"{path}, row {row}: the uid is a rounded number, some of its digits may be lost; export the column as text"
    )


def unprintable_uid(path: Path, row: int) -> CorpusError:
    return CorpusError(f"{path}, row {row}: the uid holds an unprintable character; remove it")


def long_uid(path: Path, row: int, most: int, found: int) -> CorpusError:
    return CorpusError(
        f"{path}, row {row}: expected a uid of {most} characters at most, found {found}; is it a narrative?"
    )


def computed_uid(path: Path, row: int) -> CorpusError:
    return CorpusError(
        f"{path}, row {row}: the uid begins with =, +, - or @, so a spreadsheet would compute it wherever "
        f"results are opened; give the case another uid"
    )


def repeated_uid(path: Path, row: int, first: int, count: int) -> CorpusError:
    return CorpusError(
        f"{path}, row {row}: the same uid as row {first} ({count} repeated in all); give every case its own"
    )


def unknown_uid(path: Path, row: int, count: int, rows: int) -> CorpusError:
    return CorpusError(
        f"{path}, row {row}: no case has this uid ({count} such rows of {rows}); remove the row or add the case"
    )


def no_known_uid(path: Path, rows: int) -> CorpusError:
    return CorpusError(
        f"{path}: no case has the uid of any of its {rows} rows; the two files write their uids differently, as with "
        "or without zeros at the start, or hold other cases: write them alike"
    )


def missing_cases(path: Path, missing: int, cases: int, first: int) -> CorpusError:
    return CorpusError(
        f"{path}: {missing} of {cases} cases have no row, the first is case {first} of "
        f"the features; give every case a row, if only with empty cells"
    )


def other_code(path: Path, row: int, name: str, codes: Sequence[int], found: str) -> CorpusError:
    return CorpusError(
        f"{path}, row {row}, column {name}: expected {_listed(codes)} or nothing (not "
        f"coded), found {found}; correct the label or the codebook"
    )


def no_codebook(path: Path) -> CorpusError:
    return CorpusError(f"{path} is missing; write one like data/codebooks/nvdrs_youth.yaml, or name another")


def other_name() -> CorpusError:
    return CorpusError(
        "the name of a corpus is a-z, 0-9 and _, starting with a letter, and no word that YAML reads as another type, "
        "such as null or no; choose another"
    )


def other_corpus(asked: str, chosen: str) -> CorpusError:
    return CorpusError(
        f"the chosen corpus is {chosen}, not {asked}; leave out NAME, or write `corpus: {asked}` in params.yaml"
    )


def made_corpus(name: str) -> CorpusError:
    return CorpusError(
        f"the corpus {name} is made by its own stage (`dvc repro demo_corpus`), which would undo this; "
        f"take a corpus of another name (`make corpus NAME=.. FROM=..`)"
    )


def unwritten(path: Path, names: Sequence[str], mark: str) -> CorpusError:
    return CorpusError(f"{path}: {_some(names)} still say {mark}; write there what they stand for")


def draft_there(path: Path) -> CorpusError:
    return CorpusError(f"{path} is there, and somebody may have written in it; remove it, or choose another NAME")


def nothing_to_draft(path: Path, texts: bool) -> CorpusError:
    expected = "columns of codes (0 and 1, or a few whole numbers)" if texts else "a column of texts"
    return CorpusError(f"{path}: expected uid, texts and codes, found no {expected}; put texts and codes in one table")


def no_such_file(source: Path, stem: str) -> CorpusError:
    return CorpusError(f"{source} holds neither {stem}.csv nor {stem}.parquet; one of them is needed")


def other_suffix(path: Path) -> CorpusError:
    return CorpusError(
        f"{path} would not be read; expected .csv, .tsv, .txt or .parquet: export it as one of these, or move it away"
    )


def no_source(source: Path) -> CorpusError:
    found = "a file" if source.exists() else "nothing"
    return CorpusError(f"{source}: expected a folder of tables and their codebook, found {found}; name the folder")


def several_files(source: Path, names: Sequence[str]) -> CorpusError:
    return CorpusError(f"{source} holds both {' and '.join(names)}; remove the one that is not to be read")


def on_both_sides(count: int) -> CorpusError:
    return CorpusError(
        f"{count} uids stand among the training cases and among the new ones; a model would be scored on what it "
        "learnt: take them out of one of the two"
    )


def no_folder(path: Path) -> CorpusError:
    return CorpusError(
        f"{path}: expected a folder, or a link to one that is there, found neither; mount what the link leads to, or "
        "move the file elsewhere"
    )


def no_plain_file(path: Path) -> CorpusError:
    return CorpusError(f"{path}: expected a file, found a link or a folder, which is not replaced; move it elsewhere")


def source_is_target(path: Path) -> CorpusError:
    return CorpusError(
        f"{path} is read and would be written, and its other columns lost; copy it elsewhere first, and name the copy"
    )


def not_ours(path: Path) -> CorpusError:
    return CorpusError(
        f"{path} has columns that the codebook does not name, so it was not written here; move it elsewhere first"
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _listed(codes: Sequence[int]) -> str:
    run = list(codes) == list(range(codes[0], codes[-1] + 1)) and len(codes) > 2
    return f"{codes[0]} to {codes[-1]}" if run else ", ".join(map(str, codes))
