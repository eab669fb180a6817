"""Is tests/support/answers.py; branches that are still open import it from here."""

import sys

from tests.support import answers

sys.modules[__name__] = answers
