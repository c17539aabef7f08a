"""Stands for `python` and for `dvc`, first on a tiny project's PATH: a fork of the warm server does the work.

It starts in some ten milliseconds, so nothing is imported that is not needed. Where a fork would not be the same (other
namespaces, another hash seed, options of the interpreter), the command is run as it would be without it.
"""

import marshal
import os
import signal
import socket
import struct
import sys
from typing import NoReturn

HERE = os.path.dirname(os.path.abspath(__file__))
UNDERSTOOD = {"PYTHONHASHSEED", "PYTHONPATH"}
"""Variables of the interpreter itself that the server knows how to obey."""


def main() -> NoReturn:
    """Run the command and leave as it does."""
    name, arguments = os.path.basename(sys.argv[0]), sys.argv[1:]
    if name != "python":
        arguments = [os.path.join(os.path.dirname(sys.executable), name), *arguments]
    variables = {variable for variable in os.environ if variable.startswith("PYTHON")}
    is_script = arguments and (arguments[0] == "-c" or not arguments[0].startswith("-"))
    try:
        if is_script and variables <= UNDERSTOOD:
            leave_as(forked(arguments))
    except OSError:
        pass  # no server is within reach
    os.execv(sys.executable, [sys.executable, *arguments])


def forked(arguments: list[str]) -> int:
    """Have the command run; its exit code, negative for a signal. Raises OSError if it was not run."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server.connect(os.path.join(HERE, os.environ.get("PYTHONHASHSEED", "none")))
    peer, *_ = struct.unpack("3i", server.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    for kind in ("mnt", "net", "pid", "user"):
        if os.readlink(f"/proc/{peer}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}"):
            raise OSError
    os.umask(umask := os.umask(0))
    request = marshal.dumps((arguments, os.getcwd(), dict(os.environ), umask))
    socket.send_fds(server, [request], [0, 1, 2])
    child = int(server.recv(16))
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: os.kill(child, number))
    return os.waitstatus_to_exitcode(int(server.recv(16)))


def leave_as(code: int) -> NoReturn:
    """Leave with an exit code, or by the signal that it stands for."""
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code != signal.SIGKILL else None
        os.kill(os.getpid(), -code)
    os._exit(code)


main()
