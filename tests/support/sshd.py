"""An OpenSSH server of one test's own: loopback interface, a free port, keys made for the occasion, no passwords.

It can be told to die after so many bytes of a transfer, as a machine does that loses its power: without a goodbye, what
was half written left so.
"""

import getpass
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
SFTP = Path("/usr/lib/openssh/sftp-server")
MISSING = None if SSHD and SFTP.exists() else "no OpenSSH server here: apt-get install openssh-server"
"""Why a test that needs the server has to be skipped; None where it need not be."""

CONFIG = """\
ListenAddress 127.0.0.1
Port {port}
PidFile {folder}/sshd.pid
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
AllowUsers {user}
AuthenticationMethods publickey
PermitRootLogin prohibit-password
UsePAM no
# The folder lies below /tmp, where anybody may write.
StrictModes no
Subsystem sftp {sftp}
"""


class Server:
    """The server, its keys and what it stores."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "store"
        """What a DVC remote at `url` holds."""
        self.user = getpass.getuser()
        self.port = _free_port()
        self._process: psutil.Popen | None = None
        folder.mkdir(mode=0o700)
        for name in ("host_key", "user_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)

    @property
    def url(self) -> str:
        """Of the DVC remote."""
        return f"ssh://127.0.0.1:{self.port}{self.store}"

    @property
    def key(self) -> Path:
        """What a client logs in with."""
        return self.folder / "user_key"

    def start(self, dies_after: int | None = None) -> None:
        """Serve; `dies_after` so many bytes in either direction of one file channel, everything is killed at once."""
        sftp = f"{SFTP} -u 0077"  # what lies on the server is its owner's alone
        if dies_after is not None:
            sftp = f"{sys.executable} {__file__} {dies_after} {self.folder}/sshd.pid {sftp}"
        config = self.folder / "sshd_config"
        config.write_text(CONFIG.format(port=self.port, folder=self.folder, user=self.user, sftp=sftp))
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # as Debian's service does before it starts
        command = [str(SSHD), "-D", "-f", str(config), "-E", str(self.folder / "sshd.log")]
        self._process = psutil.Popen(command, stdin=subprocess.DEVNULL)
        for _ in range(200):
            with socket.socket() as attempt:
                if attempt.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        self.stop()
        raise AssertionError(f"sshd does not answer:\n{(self.folder / 'sshd.log').read_text()}")

    def stop(self) -> None:
        """Kill the server and every session of it; nothing if it has died already."""
        if self._process is None:
            return
        processes = [*self._process.children(recursive=True), self._process] if self._process.is_running() else []
        for process in processes:
            with suppress(psutil.NoSuchProcess):  # a session may end by itself meanwhile
                process.kill()
        psutil.wait_procs(processes, timeout=30)
        self._process.wait()
        self._process = None

    def died(self) -> bool:
        """Whether it is no longer there, having been started."""
        return self._process is not None and self._process.poll() is not None


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """A running server in a new folder, stopped whatever happens."""
    server = Server(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _pump(source: int, target: int, budget: int, listener: int) -> None:
    """Pass on `budget` bytes and kill the server, unless the source ends before."""
    while chunk := os.read(source, min(budget, 4096)):
        os.write(target, chunk)
        budget -= len(chunk)
        if budget == 0:
            time.sleep(0.2)  # what was passed on reaches the file
            for process in psutil.Process().parents():
                process.kill()
                if process.pid == listener:
                    os._exit(1)


def _die_after(budget: int, pid_file: Path, *command: str) -> None:
    """Stand between a session of the server and its file channel."""
    listener = int(pid_file.read_text())
    channel = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert channel.stdin is not None and channel.stdout is not None
    back = threading.Thread(target=_pump, args=(channel.stdout.fileno(), 1, budget, listener))
    back.start()
    _pump(0, channel.stdin.fileno(), budget, listener)
    channel.stdin.close()
    back.join()


if __name__ == "__main__":
    _die_after(int(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
