"""A decoder that a stranger's file has broken into: tries all that it wants, and tells in a "picture" what it got.

Run in place of `cackled.media.image_worker`. What it is sent are a port of 127.0.0.1 where somebody listens, the path
of a file that its parent may read and remove, and its parent's number.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import resource
import signal
import socket
import subprocess
import threading
from collections.abc import Callable

from cackled.media import image_worker, images


def _deeds(port: int, path: str, parent: int) -> dict[str, Callable[[], object]]:
    """What is tried, by name."""
    libc = ctypes.CDLL(None, use_errno=True)

    def call(number: int, *arguments: int) -> None:
        if libc.syscall(number, *arguments) < 0:
            raise OSError(ctypes.get_errno(), "refused")

    return {
        "read a file": lambda: open(path).read(),
        "write a file": lambda: open("/tmp/hostile", "w"),
        "write where it stands": lambda: open("hostile", "w"),
        "list": lambda: os.listdir("/"),
        "its own memory's file": lambda: open("/proc/self/mem", "rb"),
        "its parent's memory": lambda: open(f"/proc/{parent}/mem", "rb"),
        "its parent's environment": lambda: open(f"/proc/{parent}/environ", "rb"),
        "remove": lambda: os.unlink(path),
        "link": lambda: os.symlink(path, "/tmp/hostile"),
        "connect": lambda: socket.socket().connect(("127.0.0.1", port)),
        "send": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", port)),
        "unix socket": lambda: socket.socket(socket.AF_UNIX),
        "netlink": lambda: socket.socket(16, socket.SOCK_RAW),
        "pair of sockets": socket.socketpair,
        "another process": os.fork,
        "another program": lambda: subprocess.run(["/bin/true"], check=True),
        "a thread": lambda: threading.Thread(target=len, args=("",)).start(),
        "end its parent": lambda: os.kill(parent, signal.SIGKILL),
        "another user": lambda: os.setuid(0),
        "a new root": lambda: os.chroot("/"),
        "more time": lambda: resource.setrlimit(resource.RLIMIT_CPU, (1_000, 1_000)),
        "shared memory": lambda: os.memfd_create("x"),
        # Numbers of x86-64: ptrace, process_vm_readv, io_uring_setup, bpf, unshare, mount, keyctl.
        **{f"call {number}": lambda number=number: call(number, 16, parent, 0, 0, 0, 0)
           for number in (101, 310, 425, 321, 272, 165, 250)},
        "much memory": lambda: mmap.mmap(-1, 2_000_000_000),
    }  # fmt: skip


def _remake(raw: bytes) -> images.Made:
    port, path, parent = json.loads(raw)
    got: dict[str, str] = {}
    for name, deed in _deeds(port, path, parent).items():
        try:
            deed()
        except Exception as error:  # it takes whatever comes
            got[name] = type(error).__name__
        else:
            got[name] = "done"
    open_files = []
    for number in range(3, 64):
        try:
            os.fstat(number)
        except OSError:
            continue
        open_files.append(number)
    told = {"got": got, "open": open_files, "environment": dict(os.environ)}
    return images.Made(1, 1, 1, "#000000", [images.Variant("1.webp", "image/webp", 1, 1, json.dumps(told).encode())])


if __name__ == "__main__":
    images.remake = _remake
    image_worker.main()
