"""The handler at the top of every script."""

import errno
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from support import faults

from abstractor.base.errors import UserError, machine_fault, out_of_memory
from abstractor.base.files import prepared
from abstractor.base.script import SHOW, run_script


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.chdir(tmp_path)
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


def test_the_innermost_places_are_named_last(capsys: pytest.CaptureFixture[str], heard: faults.Heard) -> None:
    with pytest.raises(SystemExit):
        run_script(lambda: yaml.safe_load("{zebrafinch"))

    printed = capsys.readouterr().err
    heard(printed)
    last = printed.splitlines()[-2]
    assert re.match(r"raised at \S+/yaml/parser\.py:\d+, in the project at \S+/test_errors\.py:\d+$", last)


@pytest.mark.parametrize(("wanted", "terminal"), [(False, True), (True, False), (True, True)])
def test_the_message_is_shown_where_it_is_asked_for_and_only_on_a_terminal(wanted: bool, terminal: bool) -> None:
    program = "from abstractor.base.script import run_script\nrun_script(lambda: int('zebrafinch'))"
    reader, writer = pty.openpty() if terminal else os.pipe()
    environment = {name: value for name, value in os.environ.items() if name != SHOW} | ({SHOW: "1"} if wanted else {})
    done = subprocess.run([sys.executable, "-c", program], env=environment, stderr=writer, check=False)
    os.close(writer)
    printed = os.read(reader, 99_999).decode()
    os.close(reader)

    assert done.returncode == 1 and "ValueError (message withheld" in printed
    assert ("zebrafinch" in printed) == (wanted and terminal)
    assert f"{SHOW}=1" in printed or wanted


def test_the_innermost_place_in_the_input_is_told_and_nothing_of_it() -> None:
    program = (
        "from abstractor.base.errors import located\nfrom abstractor.base.script import run_script\n"
        "def main():\n  with located('part 2'):\n    with located('row 17'):\n      int('zebrafinch')\nrun_script(main)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "while at row 17" in done.stderr.splitlines() and "part 2" not in done.stderr
    assert "zebrafinch" not in done.stderr


def test_files_belong_to_their_owner_only(tmp_path: Path) -> None:
    run_script(lambda: (tmp_path / "a").touch())

    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def torch_writer() -> None:
    raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534")


def safetensors_writer() -> None:
    raise Exception("Error while serializing: I/O error: No space left on device (os error 28)")


def pyarrow_writer() -> None:
    raise OSError(28, "Error writing bytes to file. Detail: [errno 28] No space left on device")


def wrapped() -> None:
    try:
        raise OSError(errno.EDQUOT, "zebrafinch", "models/m/0")
    except OSError:
        raise ValueError("zebrafinch") from None


def copied() -> None:
    raise OSError(errno.ENOSPC, "zebrafinch", "from", None, "models/m/0")


@pytest.mark.parametrize("fault", [torch_writer, safetensors_writer, pyarrow_writer, wrapped, copied])
def test_a_full_disk_is_told_without_the_exceptions_own_words(
    fault: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run_script(fault)

    found = capsys.readouterr().err
    assert caught.value.code == 2
    assert found.startswith("error: ") and "the disk is full; make room and run the same command again" in found
    assert "zebrafinch" not in found and "serializing" not in found and "inline_container" not in found
    assert ("models/m/0 could not be written" in found) == (fault in (wrapped, copied))


def test_the_writers_own_words_for_a_full_disk_are_known(tmp_path: Path) -> None:
    """On a device that is always full."""
    import torch

    with pytest.raises(RuntimeError) as saved:
        torch.save(torch.zeros(9), "/dev/full")
    (tmp_path / "full").symlink_to("/dev/full")
    with pytest.raises(OSError) as written:
        pq.write_table(pa.table({"a": [1]}), tmp_path / "full")
    for caught in (saved, written):
        assert "the disk is full" in (machine_fault(caught.value) or "")


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM])
def test_a_locked_folder_is_named(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise OSError(number, "zebrafinch", "models/m/0")

    with pytest.raises(SystemExit) as caught:
        run_script(main)

    found = capsys.readouterr().err
    assert caught.value.code == 2
    assert f"error: models/m/0 could not be opened or written ({os.strerror(number)})" in found
    assert "zebrafinch" not in found


def test_a_folder_that_takes_no_files_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder").symlink_to("/proc/self")
    with pytest.raises(FileNotFoundError) as caught, prepared(tmp_path / "folder/cases.csv") as partial:
        partial.touch()
    assert f"{tmp_path}/folder/.cases.csv.partial could not be made" in (machine_fault(caught.value) or "")
    assert machine_fault(FileNotFoundError(errno.ENOENT, "zebrafinch", "cases.csv")) is None


NO_MEMORY = [
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "CUDA error: out of memory",
    "CUDA driver error: out of memory",
    "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    "cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. This error may appear if you passed in a non-contiguous input.",
    "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    "cusolver error: CUSOLVER_STATUS_ALLOC_FAILED, when calling `cusolverDnCreate(handle)`",
]
"""What PyTorch 2.13 says where it has no exception for it."""


def test_a_lack_of_memory_is_told_apart_from_other_faults() -> None:
    import torch

    with pytest.raises(RuntimeError) as real:
        torch.empty(1 << 60)
    others = [torch.AcceleratorError("CUDA error: out of memory\nCUDA kernel errors might be"), MemoryError()]
    others += [RuntimeError(text) for text in NO_MEMORY]
    for error in (real.value, torch.OutOfMemoryError("CUDA out of memory"), *others):
        assert out_of_memory(error), error
        assert "memory ran out; lower infer.batch_tokens" in (machine_fault(error) or "")
    alike = [torch.AcceleratorError("CUDA error: device-side assert triggered"), RuntimeError("shape mismatch")]
    alike += [RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED_SHAPE"), RuntimeError("CUBLAS_STATUS_INTERNAL")]
    for other in (*alike, ValueError("DefaultCPUAllocator"), OSError(errno.EIO, "")):
        assert not out_of_memory(other)
        assert machine_fault(other) is None


def test_an_interrupt_shows_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        raise KeyboardInterrupt("zebrafinch")

    with pytest.raises(SystemExit) as caught:
        run_script(main)

    assert caught.value.code == 130
    assert capsys.readouterr().err == "interrupted; the same command starts again\n"


ESCAPES = {
    "thread": "t = threading.Thread(target=fail); t.start(); t.join()",
    "destructor": "C = type('C', (), {'__del__': lambda _: fail()}); C(); gc.collect()",
    "exit": "atexit.register(fail)",
    "handler": "sys.stderr = Once(sys.stderr); fail()",
    "warning": "warnings.warn('zebrafinch', ValueWarning)",
}
"""Ways of a message past `run_script`."""
ESCAPE = """
import atexit, gc, sys, threading, warnings
from abstractor.base.script import run_script
class ValueWarning(UserWarning): pass
class Once:
    "Breaks on the first line, so that the handler itself fails."
    def __init__(self, stream): self.stream, self.broken = stream, False
    def write(self, text):
        if not self.broken:
            self.broken = True
            raise ValueError("zebrafinch")
        return self.stream.write(text)
    def flush(self): self.stream.flush()
def fail(): raise ValueError("zebrafinch")
def main(): WAY
run_script(main)
"""


@pytest.mark.parametrize("way", ESCAPES)
def test_no_message_finds_a_way_past_the_handler(way: str) -> None:
    program = ESCAPE.replace("WAY", ESCAPES[way])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert "zebrafinch" not in done.stdout + done.stderr
    assert "ValueError (message withheld" in done.stderr or "ValueWarning at <string>" in done.stderr


def test_a_crash_leaves_no_image_of_the_memory() -> None:
    program = "import resource; from abstractor.base.script import run_script\n"
    program += "run_script(lambda: print(resource.getrlimit(resource.RLIMIT_CORE)[0]))"
    done = subprocess.run(
        ["bash", "-c", 'ulimit -S -c unlimited 2>/dev/null; exec "$@"', "", sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "0\n"


def test_others_may_not_enter_what_holds_text(tmp_path: Path) -> None:
    for name, mode in ((".dvc", 0o755), ("data", 0o775), ("models", 0o500), ("metrics", 0o755)):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(mode)

    run_script(lambda: None)

    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {".dvc": 0o700, "data": 0o700, "models": 0o500, "metrics": 0o755}


def test_a_folder_that_cannot_be_closed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def chmod(*_: object) -> None:
        raise PermissionError

    (tmp_path / "data").mkdir(0o755)
    monkeypatch.setattr(Path, "chmod", chmod)

    run_script(lambda: None)

    assert capsys.readouterr().err.startswith("warning: others may enter data/, and this account cannot change that")
