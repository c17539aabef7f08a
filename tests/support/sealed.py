"""A network that leads nowhere: commands run in a namespace of their own, and whatever they send is counted.

The namespace has a default route, into a cable whose other end nobody holds, so that an attempt to reach the world
becomes bytes; without any route it would fail and leave no trace.
"""

import shutil
import subprocess
from pathlib import Path

_SEAL = """
for kind in all default; do echo 1 2>/dev/null >/proc/sys/net/ipv6/conf/$kind/disable_ipv6 || true; done
ip link set lo up
ip link add out type veth peer name nowhere
for end in out nowhere; do ip link set $end addrgenmode none arp off up; done
ip address add 192.0.2.1/24 dev out
ip route add default dev out
counted=$1; shift
code=0; "$@" || code=$?
cat /proc/net/dev >"$counted"
exit $code
"""


def command(counted: Path, *inside: str) -> list[str]:
    """The command that runs `inside` and leaves in `counted` what its interfaces carried."""
    return ["unshare", "--map-root-user", "--net", "bash", "-ec", _SEAL, "seal", str(counted), *inside]


def is_possible(scratch: Path) -> bool:
    """Whether this account may make such a namespace."""
    if not (shutil.which("unshare") and shutil.which("ip")):
        return False
    return subprocess.run(command(scratch, "true"), capture_output=True, check=False).returncode == 0


def carried(counted: Path) -> int:
    """Bytes received and sent, over all interfaces."""
    counts = [line.partition(":")[2].split() for line in counted.read_text(encoding="utf-8").splitlines()[2:]]
    return sum(int(count[0]) + int(count[8]) for count in counts)
