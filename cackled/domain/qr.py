"""QR codes (ISO/IEC 18004) as the path of an SVG: one unit for each module, without the quiet zone."""

from __future__ import annotations

from msgspec import Struct

# Modules around it that stay light.
QUIET = 4


class Qr(Struct, frozen=True):
    """A code: ``path`` for the ``d`` of an SVG path, in a square of ``size`` units, the quiet zone included."""

    size: int
    path: str


def draw(text: str) -> Qr:
    """The code of *text*, with level M of error correction."""
    # segno is needed only where a code is drawn.
    import segno

    matrix = segno.make_qr(text, error="m").matrix
    parts: list[str] = []
    for y, row in enumerate(matrix):
        start: int | None = None
        for x, dark in enumerate((*row, 0)):
            if dark and start is None:
                start = x
            elif not dark and start is not None:
                parts.append(f"M{start + QUIET} {y + QUIET}h{x - start}v1h-{x - start}z")
                start = None
    return Qr(len(matrix) + 2 * QUIET, "".join(parts))
