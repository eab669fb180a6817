"""Is tests/support/faults.py; branches that are still open import it from here."""

import sys

from tests.support import faults

sys.modules[__name__] = faults
