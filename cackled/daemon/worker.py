"""A worker process: ``python -m cackled.daemon.worker``, started by a daemon with ``workers = N`` and by nobody else.

It serves HTTP and realtime on sockets that the daemon (the parent) has bound, with caches, database connections and a
tail of the event log of its own; what else it knows it is told through the pipe. It never outlives its parent.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Any

from cackled.clock import install_monotonic_reactor

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Be killed when the parent is gone, even while this process hangs (Linux; elsewhere the pipe must do)."""
    try:
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    except (OSError, AttributeError):
        return
    if os.getppid() != parent:
        os._exit(1)


def main() -> int:
    """Run until told to end."""
    if sys.stdin is not None and sys.stdin.isatty():
        print("cackled.daemon.worker is started by the daemon; set workers = N in its configuration", file=sys.stderr)
        return 1
    die_with_parent(os.getppid())
    install_monotonic_reactor()
    # The terminal's Ctrl-C reaches the whole group; the parent says what is to be done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from twisted.internet import reactor

    from cackled.daemon.worker_process import WorkerProcess

    worker = WorkerProcess(reactor)
    worker.open_pipe()
    running: Any = reactor
    running.run(installSignalHandlers=False)
    return worker.code


if __name__ == "__main__":
    sys.exit(main())
