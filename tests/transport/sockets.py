"""Is tests/support/sockets.py; branches that are still open import it from here."""

import sys

from tests.support import sockets

sys.modules[__name__] = sockets
