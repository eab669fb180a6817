"""Network namespaces of our own for tests: each node in one, a bridge between them, and wires that can be cut.

Needs root and iproute2. The thread that starts it is moved to the bridge's namespace, from where all nodes can be
reached; what is started `inside` a node's namespace stays there. Nothing of the machine's own network is touched.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cackled.admin.devnet import Loopback

CLONE_NEWNET = 0x40000000
NOBODY = "02:00:00:00:00:ff"
_libc = ctypes.CDLL(None, use_errno=True)


def ip(*words: str) -> None:
    """Run iproute2's ``ip``."""
    subprocess.run(["ip", *words], check=True, capture_output=True)


def enter(descriptor: int) -> None:
    """Move this thread to another network namespace."""
    if _libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


class Namespaces(Loopback):
    """Node N at 10.77.0.N."""

    def __init__(self) -> None:
        super().__init__()
        self._prefix = f"cackled-{os.getpid()}"
        self._numbers: Sequence[int] = ()
        self._before: int | None = None
        self._folder = Path(tempfile.mkdtemp(prefix="cackled-net-", dir="/tmp"))
        self._folder.chmod(0o755)
        hba = self._folder / "pg_hba.conf"
        hba.write_text("host all all 10.77.0.0/24 trust\nhost replication all 10.77.0.0/24 trust\n")
        hba.chmod(0o644)
        self.settings = {"hba_file": str(hba), "wal_sender_timeout": "5s", "wal_receiver_timeout": "5s"}

    @classmethod
    def possible(cls) -> bool:
        """Whether this process may make them."""
        name = f"cackled-{os.getpid()}-try"
        if os.geteuid() or shutil.which("ip") is None:
            return False
        try:
            ip("netns", "add", name)
            try:
                ip("-n", name, "link", "add", "br0", "type", "bridge")
                ip("-n", name, "link", "add", "v1", "type", "veth", "peer", "name", "v2")
            finally:
                ip("netns", "del", name)
        except (subprocess.CalledProcessError, OSError):
            return False
        return True

    def _name(self, number: int) -> str:
        return f"{self._prefix}-{number}"

    def start(self, numbers: Sequence[int], ports: Sequence[int]) -> None:
        """Make the namespaces, the bridge is number 0."""
        self._numbers = list(numbers)
        hub = self._name(0)
        ip("netns", "add", hub)
        ip("-n", hub, "link", "set", "lo", "up")
        ip("-n", hub, "link", "add", "br0", "type", "bridge")
        ip("-n", hub, "addr", "add", "10.77.0.254/24", "dev", "br0")
        ip("-n", hub, "link", "set", "br0", "up")
        for number in numbers:
            name = self._name(number)
            ip("netns", "add", name)
            ip("-n", hub, "link", "add", f"v{number}", "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("-n", hub, "link", "set", f"v{number}", "master", "br0", "up")
            ip("-n", name, "addr", "add", f"{self.address(number)}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
            ip("-n", name, "link", "set", "lo", "up")
        self._before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self._enter(0)

    def _enter(self, number: int) -> None:
        descriptor = os.open(f"/run/netns/{self._name(number)}", os.O_RDONLY)
        try:
            enter(descriptor)
        finally:
            os.close(descriptor)

    def address(self, number: int) -> str:
        """See `Loopback`."""
        return f"10.77.0.{number}"

    def console(self, number: int) -> str:
        """See `Loopback`."""
        return "127.0.0.1"

    def reach(self, one: int, other: int) -> str:
        """See `Loopback`."""
        return self.address(other)

    @contextmanager
    def inside(self, number: int) -> Iterator[None]:
        """See `Loopback`."""
        self._enter(number)
        try:
            yield
        finally:
            self._enter(0)

    def cut(self, one: int, other: int) -> None:
        """What one sends to the other goes to nobody, both ways, without a word."""
        for here, there in ((one, other), (other, one)):
            ip("-n", self._name(here), "neigh", "replace", self.address(there), "lladdr", NOBODY, "dev", "eth0",
               "nud", "permanent")  # fmt: skip

    def mend(self, one: int, other: int) -> None:
        """See `Loopback`."""
        for here, there in ((one, other), (other, one)):
            ip("-n", self._name(here), "neigh", "del", self.address(there), "dev", "eth0")

    def cut_off(self, number: int) -> None:
        """Pull a node's plug."""
        ip("-n", self._name(0), "link", "set", f"v{number}", "down")

    def plug_in(self, number: int) -> None:
        """Put it in again."""
        ip("-n", self._name(0), "link", "set", f"v{number}", "up")

    def stop(self) -> None:
        """Leave nothing. Harmless when repeated."""
        before, self._before = self._before, None
        if before is not None:
            enter(before)
            os.close(before)
        for number in (*self._numbers, 0):
            subprocess.run(["ip", "netns", "del", self._name(number)], capture_output=True, check=False)
        self._numbers = ()
        shutil.rmtree(self._folder, ignore_errors=True)


def net() -> Loopback:
    """Namespaces where we may make some (and CACKLED_NET is not "loopback"), else loopback addresses and wires."""
    return Namespaces() if os.environ.get("CACKLED_NET") != "loopback" and Namespaces.possible() else Loopback()
