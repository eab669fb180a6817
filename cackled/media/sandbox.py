"""Takes everything from a process but the work it has begun: no files, no network, no other programs, little memory.

For programs that look at what strangers sent. What they need they load first; then `confine` leaves them the system
calls of computing and of the pipes that are open. It can't be undone.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import struct
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

# prctl(2), seccomp(2), and the numbers of a classic BPF program (linux/bpf_common.h, linux/seccomp.h).
_NO_NEW_PRIVS, _SET_SECCOMP, _FILTER = 38, 22, 2
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_KILL, _ERRNO, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
# Where `struct seccomp_data` has the system call's number and the architecture.
_AT_NUMBER, _AT_ARCHITECTURE = 0, 4

_NAMES = (
    "read", "write", "close", "fstat", "lseek", "mmap", "munmap", "mremap", "mprotect", "madvise", "brk", "futex",
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "clock_gettime", "gettimeofday", "getrandom",
    "sched_yield", "exit", "exit_group", "getpid", "gettid", "restart_syscall", "sched_getaffinity",
)  # fmt: skip
# By architecture: its AUDIT_ARCH value, and the numbers of `_NAMES` (0x-1: it has none of that name).
_CALLS: dict[str, tuple[int, tuple[int, ...]]] = {
    "x86_64": (
        0xC000003E,
        (0, 1, 3, 5, 8, 9, 11, 25, 10, 28, 12, 202, 13, 14, 15, 131, 228, 96, 318, 24, 60, 231, 39, 186, 219, 204),
    ),
    "aarch64": (
        0xC00000B7,
        (63, 64, 57, 80, 62, 222, 215, 216, 226, 233, 214, 98, 134, 135, 139, 132, 113, 169, 278, 124, 93, 94, 172,
         178, 128, 123),
    ),
}  # fmt: skip


# Numbers of users and groups that stand for nobody: above those that systems and their containers give out
# (systemd.io/UIDS-GIDS), below 2^31. A process adds its own number, which is below 2^22 (proc(5), pid_max).
_FIRST_USER = 0x7000_0000
# capabilities(7): to end processes of others, to become another group and user, to change the root.
_KILLS, _GROUPS, _USERS, _ROOTS = 5, 6, 7, 18


class NoSandbox(Exception):
    """This system can't confine a process."""


def limit(memory: int, seconds: int) -> None:
    """Bound this process: *memory* (bytes) of addresses, *seconds* of CPU, no file can be written, none forked."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    # The kernel ends it with SIGXCPU at the first, with SIGKILL at the second.
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def leave() -> bool:
    """Become a user and a group of this process' own, in an empty folder that is its whole file system; for good.

    Tells whether it could: whoever has no right to change users (capabilities KILL, SETGID, SETUID; root has them), or
    is in a container without such users, stays as it is.
    """
    if not all(_may(one) for one in (_KILLS, _GROUPS, _USERS)):
        return False
    if _may(_ROOTS):
        with suppress(OSError):
            folder = tempfile.mkdtemp()
            os.chdir(folder)
            # Of a folder that is removed nothing is left but to stand in it: it can hold nothing.
            Path(folder).rmdir()
            os.chroot(".")
    number = _FIRST_USER + os.getpid()
    try:
        os.setgroups([])
        os.setresgid(number, number, number)
        os.setresuid(number, number, number)
    except OSError:
        return False
    return True


def _may(capability: int) -> bool:
    """Whether this process has a capability."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return False
    # Not every system tells.
    held = next((line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), "0")
    return bool(int(held, 16) >> capability & 1)


def confine() -> None:
    """Leave this process the system calls of computing; any other fails with EPERM.

    Raises:
        NoSandbox: the system has no such filter, or another architecture.
    """
    known = _CALLS.get(platform.machine())
    if sys.platform != "linux" or known is None:
        raise NoSandbox(f"there is no filter of system calls for {sys.platform} on {platform.machine()}")
    architecture, numbers = known
    program = [(_LOAD, 0, 0, _AT_ARCHITECTURE), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _KILL),
               (_LOAD, 0, 0, _AT_NUMBER)]  # fmt: skip
    for place, number in enumerate(numbers):
        # Equal: on to the last statement, which allows it.
        program.append((_EQUAL, len(numbers) - place, 0, number))
    program += [(_RETURN, 0, 0, _ERRNO | errno.EPERM), (_RETURN, 0, 0, _ALLOW)]
    packed = b"".join(struct.pack("<HBBI", *one) for one in program)
    kept = ctypes.create_string_buffer(packed)
    head = struct.pack("@HxxxxxxP", len(program), ctypes.addressof(kept))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(_SET_SECCOMP, _FILTER, ctypes.c_char_p(head), 0, 0):
        raise NoSandbox(f"the kernel takes no filter of system calls (errno {ctypes.get_errno()})")
