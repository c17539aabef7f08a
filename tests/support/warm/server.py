"""A Python that has imported the slow libraries and forks for every command: python server.py SOCKET.

It never imports this project's library, of which each tiny project has a copy of its own. It says `ready` and ends, its
folder with it, when its standard input does.
"""

import atexit
import gc
import importlib
import marshal
import os
import selectors
import shutil
import signal
import site
import socket
import sys
import tempfile
import threading
import types
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

LIBRARIES = (
    "dvc.cli.parser",
    "dvc.repo",
    "pydantic.main",
    "pydantic.type_adapter",
    "ruamel.yaml",
    "pyarrow.parquet",
    "pandas.io.formats.csvs",
    "iterstrat.ml_stratifiers",
    "sklearn.feature_extraction.text",
    "sklearn.linear_model",
    "transformers.trainer",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.bert.modeling_bert",
    "transformers.models.llama.modeling_llama",
    "peft",
    "datasets",
)
"""Each with all that it imports."""


class Request(NamedTuple):
    """What a client asks for."""

    arguments: list[str]
    """As the interpreter gets them: a script, or -c and a program, and what follows."""
    folder: str
    environment: dict[str, str]
    umask: int


class Child(NamedTuple):
    """A fork that runs a command."""

    process: int
    client: socket.socket
    ended: int
    """A file descriptor that can be read once the process has ended."""


def serve(path: str) -> Request:
    """Fork for every request; returns in the forks alone, with the request, its streams in their places."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(path)
    listener.listen(64)
    watched = selectors.DefaultSelector()
    watched.register(0, selectors.EVENT_READ)
    watched.register(listener, selectors.EVENT_READ)
    print("ready", flush=True)
    while True:
        (key, _), *_ = watched.select()
        if key.fd == 0:
            end(watched, os.path.dirname(path))
        elif key.fileobj is listener:
            if request := fork(watched, listener.accept()[0]):
                return request
        elif key.fileobj is key.data.client:  # it died: nobody waits for the command any more
            watched.unregister(key.data.client)
            os.kill(key.data.process, signal.SIGKILL)
        else:
            report(watched, key.data)


def fork(watched: selectors.BaseSelector, client: socket.socket) -> Request | None:
    """In the fork, the request; in the server, None."""
    message, streams, *_ = socket.recv_fds(client, 2**20, 3)
    if not message:  # it changed its mind
        client.close()
        return None
    process = os.fork()
    if process == 0:
        for held in (client, *(key.fileobj for key in watched.get_map().values())):
            held.close() if isinstance(held, socket.socket) else os.close(held)
        watched.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        return Request(*marshal.loads(message))
    for stream in streams:
        os.close(stream)
    with suppress(OSError):  # it may have been killed meanwhile
        client.send(b"%d" % process)
    child = Child(process, client, os.pidfd_open(process))
    watched.register(child.client, selectors.EVENT_READ, child)
    watched.register(child.ended, selectors.EVENT_READ, child)
    return None


def report(watched: selectors.BaseSelector, child: Child) -> None:
    """Tell the client, if it is still there, how its command ended."""
    _, status = os.waitpid(child.process, 0)
    with suppress(KeyError):
        watched.unregister(child.client)
    with suppress(OSError):
        child.client.send(b"%d" % status)
    child.client.close()
    watched.unregister(child.ended)
    os.close(child.ended)


def end(watched: selectors.BaseSelector, folder: str) -> NoReturn:
    """Leave nothing behind."""
    for child in {key.data for key in watched.get_map().values()} - {None}:
        os.kill(child.process, signal.SIGKILL)
    shutil.rmtree(folder)
    sys.exit()


def become(request: Request, installed: list[str]) -> tuple[types.CodeType, dict[str, Any]]:
    """Take over what makes a process of its own; the command's code and the globals to run it in."""
    os.chdir(request.folder)
    os.umask(request.umask)
    os.environ.clear()
    os.environ.update(request.environment)
    tempfile.tempdir = None
    sys.modules["numpy"].random.seed()  # else the draws of all forks would be the same
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    if request.arguments[0] == "-c":
        name, place, source = "<string>", "", request.arguments[1].encode()
        sys.argv = ["-c", *request.arguments[2:]]
    else:
        name = request.arguments[0]
        main.__file__ = os.path.abspath(name)
        place = os.path.dirname(os.path.realpath(name))
        sys.argv = request.arguments
        source = Path(name).read_bytes()
    modules = [folder for folder in os.environ.get("PYTHONPATH", "").split(":") if folder]
    sys.path[:] = [place, *modules, *installed]
    site.execsitecustomize()
    return compile(source, name, "exec", dont_inherit=True), main.__dict__


def run(code: types.CodeType, main: dict[str, Any]) -> NoReturn:
    """Run the command and leave as the interpreter would, without taking down module after module before."""
    status, signalled = 0, False
    try:
        exec(code, main)
    except SystemExit as leaving:
        if isinstance(leaving.code, str):
            print(leaving.code, file=sys.stderr)
        status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        status, signalled = 1, isinstance(error, KeyboardInterrupt)
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    if signalled:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(status & 0xFF)


if __name__ == "__main__":
    for library in LIBRARIES:
        importlib.import_module(library)
    threads = [Path(task, "comm").read_text() for task in Path("/proc/self/task").iterdir()]
    # Arrow's allocator takes care of forks; any other thread would be missing in them.
    assert len(threads) - threads.count("jemalloc_bg_thd\n") == 1, threads
    gc.freeze()
    # Who is started in the background ignores interrupts, and hands that on: a fork must not.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    run(*become(serve(sys.argv[1]), sys.path[1:]))
