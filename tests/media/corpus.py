"""Pictures as visitors send them, and files that are made to harm: each is built here."""

from __future__ import annotations

import gzip
import struct
import zipfile
import zlib
from hashlib import sha256
from io import BytesIO
from typing import Any

from PIL import Image, ImageCms

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def saved(image: Image.Image, kind: str, **how: Any) -> bytes:
    """*image* as a file."""
    made = BytesIO()
    image.save(made, kind, **how)
    return made.getvalue()


def digest(raw: bytes) -> str:
    """What a file is known by."""
    return sha256(raw).hexdigest()


def picture(kind: str = "JPEG", size: tuple[int, int] = (400, 300), color: str = "#c04020", **how: Any) -> bytes:
    """A picture of one colour."""
    return saved(Image.new("RGB", size, color), kind, **how)


def located(kind: str = "JPEG") -> bytes:
    """A picture taken with the camera on its side, with the place and words in it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "secret words"
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 36.0)}
    return picture(kind, (400, 200), exif=exif)


def moving(kind: str = "GIF", frames: int = 5, size: tuple[int, int] = (100, 60)) -> bytes:
    """A picture that moves."""
    pictures = [Image.new("RGB", size, (number * 97 % 256, number * 61 % 256, 20)) for number in range(frames)]
    return saved(pictures[0], kind, save_all=True, append_images=pictures[1:], duration=50)


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def flood(width: int = 60_000, height: int = 60_000) -> bytes:
    """A small PNG of very many points."""
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return SIGNATURE + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


def zipped_words() -> bytes:
    """A PNG with 300 MB of zipped text before the picture."""
    text = b"k\0\0" + zlib.compress(b"x" * 300_000_000, 9)
    whole = picture("PNG", (10, 10))
    return whole[:33] + chunk(b"zTXt", text) + whole[33:]


def profiled(size: int) -> bytes:
    """A picture with a colour profile that is blown up to *size* bytes."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return picture("JPEG", icc_profile=profile + b"\0" * (size - len(profile)))


def growing() -> bytes:
    """A GIF whose first picture stands far outside of its screen."""
    whole = bytearray(moving("GIF", 2))
    place = whole.index(b"\x2c")
    whole[place + 1 : place + 9] = struct.pack("<HHHH", 65_000, 65_000, 100, 60)
    return bytes(whole)


SCRIPT = b"<script>alert(1)</script>"
SVG = b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"
# What is refused, and the reason.
REFUSED: dict[str, tuple[bytes, str]] = {
    "pixel flood": (flood(), "pixels"),
    "one long side": (flood(40_000, 2), "pixels"),
    "many pictures": (moving("GIF", 150), "frames"),
    "many pictures of many points": (moving("WEBP", 60, (1_200, 900)), "pixels"),
    "cut short": (picture()[:-200], "broken"),
    "cut short PNG": (saved(Image.effect_noise((90, 90), 50), "PNG")[:-40], "broken"),
    "head alone": (picture("PNG")[:40], "type"),
    "zipped words": (zipped_words(), "broken"),
    "vector": (SVG, "type"),
    "page": (b"<!doctype html>" + SCRIPT, "type"),
    "document": (b"%PDF-1.7\n%\xe2\xe3", "type"),
    "archive": (b"PK\x03\x04" + b"\0" * 100, "type"),
    "nothing": (b"", "type"),
    "noise": (bytes(range(256)) * 40, "type"),
    "TIFF": (picture("TIFF"), "type"),
    "icon": (picture("ICO"), "type"),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "type"),
    "page before a picture": (SCRIPT + picture("GIF"), "type"),
    "document before a picture": (b"%PDF-1.4\n1 0 obj<<>>endobj\n" + picture(), "type"),
    "archive before a picture": (b"PK\x03\x04" + b"\0" * 26 + picture("PNG"), "type"),
    "zipped vector": (gzip.compress(SVG), "type"),
}
# What stands beside or inside a picture that is one as well: taken, and what is served holds none of it.
HIDDEN = b"<?php system($_GET[0]); ?><script>alert(document.domain)</script>"


def archive() -> bytes:
    """A ZIP archive with a page in it, not zipped."""
    made = BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        file.writestr("index.html", HIDDEN)
    return made.getvalue()


def polyglots() -> dict[str, bytes]:
    """Pictures that are something else as well, by how."""
    png, gif, jpeg = picture("PNG"), picture("GIF"), picture()
    noted = jpeg[:2] + b"\xff\xfe" + struct.pack(">H", len(HIDDEN) + 2) + HIDDEN + jpeg[2:]
    document = b"%PDF-1.4\n" + HIDDEN + b"\n%%EOF"
    in_jpeg = jpeg[:2] + b"\xff\xfe" + struct.pack(">H", len(document) + 2) + document + jpeg[2:]
    # A GIF whose width and first bytes are a script's comment; the screen is 10,799 points wide.
    script = bytearray(gif)
    script[6:8] = b"/*"
    return {
        "page after a GIF": gif + HIDDEN,
        "script that is a GIF": bytes(script) + b"*/=1;" + HIDDEN,
        "archive after a PNG": png + archive(),
        "program in a PNG's text": png[:33] + chunk(b"tEXt", b"Comment\0" + HIDDEN) + png[33:],
        "page in a JPEG's comment": noted,
        "document in a JPEG": in_jpeg,
        "page in a WebP's metadata": picture("WEBP", xmp=HIDDEN),
    }


POLYGLOTS = polyglots()
