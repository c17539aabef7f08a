"""The handler at the top of every script."""

import os
from pathlib import Path

import pytest

from abstractor.errors import UserError, run_script


@pytest.fixture(autouse=True)
def _umask() -> object:
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_a_user_error_is_one_line_and_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise UserError("expected this, found that")

    with pytest.raises(SystemExit) as caught:
        run_script(main)

    assert caught.value.code == 2
    assert capsys.readouterr().err == "error: expected this, found that\n"


def test_an_unexpected_error_withholds_its_message(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise ValueError("could not parse zebrafinch")

    with pytest.raises(SystemExit) as caught:
        run_script(main)

    found = capsys.readouterr().err
    assert caught.value.code == 1
    assert "zebrafinch" not in found
    assert "ValueError" in found and "in main" in found


def test_files_belong_to_their_owner_only(tmp_path: Path) -> None:
    run_script(lambda: (tmp_path / "a").touch())

    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600
