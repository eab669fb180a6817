"""Is tests/support/daemon.py and client.py; branches that are still open import it from here."""

from tests.support.client import Answer, Visitor, call
from tests.support.daemon import PATIENCE, ROOT, SHARED, TWISTD, Daemon, DaemonDied, free_ports

__all__ = [
    "PATIENCE", "ROOT", "SHARED", "TWISTD", "Answer", "Daemon", "DaemonDied", "Visitor", "call", "free_ports",
]  # fmt: skip
