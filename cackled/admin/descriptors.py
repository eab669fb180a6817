"""How many connections fit under the limit of open files.

At the limit nothing can be accepted, opened or resolved, not even for operators, so public listeners stay below it.
"""

from __future__ import annotations

import resource
from typing import Any

# Descriptors for files, listeners, pipes, the event loop, thread wake-ups and operators' connections.
ALWAYS = 64


def fit_connections(wanted: int, others: int, limits: Any = resource) -> tuple[int, int]:
    """The number of public connections to allow, and the limit of open files (0: none).

    *others* is the number of descriptors that the daemon needs for the rest (database, DNS). The soft limit is raised
    first, as far as the hard limit allows. If the rest would take more than half of it, the public gets half.
    """
    spare = others + ALWAYS
    soft, hard = limits.getrlimit(limits.RLIMIT_NOFILE)
    if soft == limits.RLIM_INFINITY:
        return wanted, 0
    if soft < wanted + spare and (hard == limits.RLIM_INFINITY or hard > soft):
        raised = wanted + spare if hard == limits.RLIM_INFINITY else min(wanted + spare, hard)
        try:
            limits.setrlimit(limits.RLIMIT_NOFILE, (raised, hard))
            soft = raised
        except (OSError, ValueError):
            pass  # no privilege, or above what the kernel allows at all: what we have must do
    return min(wanted, max(soft - spare, soft // 2)), soft
