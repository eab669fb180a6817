"""Names as they look: two that a reader takes for one another have the same skeleton.

Made for display names, after Unicode's UTS 39 (section 4, confusable detection), and coarser: case, accents, white
space and what stands between words make no difference, nor do letters of other scripts that look like Latin ones.
"""

from __future__ import annotations

import unicodedata

from cackled.domain.lookalikes import ALSO, LATIN
from cackled.domain.word_matching import fold

# Figures and signs that are read as letters.
_SIGNS = str.maketrans("@4830!|1l5$72", "aabeoiiiisstz") | {ord("9"): "g"}
_TABLE = LATIN | {ord(sign): letter for letter, signs in ALSO.items() for sign in signs}
# Of what `skeleton` makes; stored ones of a lower one are made anew (`cackled.identity.skeletons`).
REVISION = 1


def skeleton(name: str) -> str:
    """What *name* looks like; of one without letters and figures, its signs."""
    plain = unicodedata.normalize("NFKD", fold(name))
    kept = "".join(one for one in plain if one.isalnum() or one in "@$!|")
    # Two letters that are read as one.
    made = kept.translate(_TABLE).lower().translate(_SIGNS)
    return made.replace("rn", "m").replace("vv", "w") or "".join(plain.split())
