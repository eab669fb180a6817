"""The program that looks at what strangers sent: ``python -I image_worker.py MEMORY SECONDS SIDE``.

It reads one file from its input, and writes what it made of it: the length of a JSON head in four bytes (most
significant first), the head (`cackled.media.images.Made`, the bodies as their lengths), and the bodies one after the
other. With a SIDE other than 0 it makes a still square of so many points. Of a file that is not taken the head is
``{"refused":"reason"}``.
"""

from __future__ import annotations

import struct
import sys
from typing import Any

import msgspec


def main() -> None:
    """Do the work once."""
    from cackled.media import images, sandbox

    images.prepare()
    apart = sandbox.leave()
    sandbox.limit(int(sys.argv[1]), int(sys.argv[2]))
    confined = True
    try:
        sandbox.confine()
    except sandbox.NoSandbox:
        confined = False
    bodies: list[bytes] = []
    head: dict[str, Any]
    try:
        side = int(sys.argv[3])
        raw = sys.stdin.buffer.read()
        made = images.square(raw, side) if side else images.remake(raw)
        bodies = [one.body for one in made.variants]
        head = {
            "width": made.width, "height": made.height, "frames": made.frames, "color": made.color,
            "confined": confined, "apart": apart,
            "variants": [
                {"name": one.name, "type": one.type, "width": one.width, "height": one.height, "bytes": len(one.body)}
                for one in made.variants
            ],
        }  # fmt: skip
    except images.Unusable as error:
        head = {"refused": error.reason}
    text = msgspec.json.encode(head)
    sys.stdout.buffer.write(struct.pack(">I", len(text)) + text + b"".join(bodies))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
