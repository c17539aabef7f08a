"""Python runs this at the start of every process of a test project: it notes whoever looks for a network.

Each address that a socket of the internet goes to and each name that is looked up becomes a line of the file
`WATCH_NETWORK` (Unix sockets stay on the machine); so does each `dvc daemon`, which sends usage reports and asks for
newer versions, and which DVC starts without this module. With `WATCH_KILL` the process dies, as by a power cut, when
it is about to put a whole file in its place.
"""

import os
import signal
import socket
import sys
from typing import Any

_LOOKUPS = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
_SENDING = ("socket.connect", "socket.sendto", "socket.sendmsg")


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "os.rename" and ".partial" in str(arguments[0]) and os.environ.get("WATCH_KILL"):
        os.kill(os.getpid(), signal.SIGKILL)
    reports = event == "subprocess.Popen" and "daemon" in arguments[1]
    if reports or event in _LOOKUPS or (event in _SENDING and arguments[0].family != socket.AF_UNIX):
        with open(os.environ["WATCH_NETWORK"], "a", encoding="utf-8") as log:
            print(sys.argv, event, *arguments[1:], file=log)


sys.addaudithook(_watch)
