"""Pictures made anew: in a few widths, turned as the camera meant them, without whatever else was in the file.

Runs in the confined process (`cackled.media.image_worker`). What a stranger sent is decoded within bounds that are read
from its head first, and hold again while it is decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any, Literal

from msgspec import Struct
from PIL import AvifImagePlugin, Image, ImageCms, ImageOps, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF")
WIDTHS = (320, 800, 1600)
MAIL_WIDTH = 800
# Of a moving picture: as wide at most, and as many pictures.
MOVING_WIDTH = 800
MOST_FRAMES = 100
# Points, counting each of a moving picture's pictures; and of one side.
MOST_POINTS = 50_000_000
MOST_SIDE = 16_384
# A colour profile above this is applied and left out.
MOST_PROFILE = 65_536
WEBP_QUALITY, AVIF_QUALITY, JPEG_QUALITY = 80, 60, 80
SQUARE_QUALITY = 82
# Milliseconds that a picture of a moving one stays, where the file says less or nothing.
LEAST_DURATION, DURATION = 20, 100

Reason = Literal["type", "broken", "pixels", "frames", "memory"]


class Unusable(Exception):
    """A picture that is not taken; ``reason`` says why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


class Variant(Struct, frozen=True):
    """One file that was made: ``name`` as in its address, ``width`` and ``height`` in points, ``body``."""

    name: str
    type: str
    width: int
    height: int
    body: bytes


class Made(Struct, frozen=True):
    """A picture: its own size (as shown), how many pictures it moves through, its mean colour, the files."""

    width: int
    height: int
    frames: int
    color: str
    variants: list[Variant]


def prepare() -> None:
    """Load all that decoding and encoding needs, while files can still be opened."""
    Image.init()
    Image.MAX_IMAGE_PIXELS = MOST_POINTS
    # Without a number dav1d and aom start threads.
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    point = Image.new("RGB", (16, 16), "#808080")
    for kind in ("JPEG", "WEBP", "AVIF", "PNG", "GIF"):
        made = BytesIO()
        point.save(made, kind)
        Image.open(BytesIO(made.getvalue()), formats=[kind]).load()
    ImageCms.createProfile("sRGB")


def remake(raw: bytes) -> Made:
    """*raw* made anew.

    Raises:
        Unusable
    """


    def made(image: Image.Image) -> Made:
        frames = _check(image)
        return _moving(image, frames) if frames > 1 else _still(image)

    return _opened(raw, made)


def _opened(raw: bytes, work: Callable[[Image.Image], Made]) -> Made:
    try:
        with Image.open(BytesIO(raw), formats=FORMATS) as image:
            return work(image)
    except Unusable:
        raise
    except Image.DecompressionBombError:
        raise Unusable("pixels") from None
    except UnidentifiedImageError:
        raise Unusable("type") from None
    except MemoryError:
        raise Unusable("memory") from None
    # The library answers malformed files with exceptions of all kinds, also of its own structures.
    except Exception:
        raise Unusable("broken") from None


def square(raw: bytes, side: int) -> Made:
    """*raw* as a still square of *side* points, cut at its longer sides; of a moving picture the first.

    Raises:
        Unusable
    """

    def cut(image: Image.Image) -> Made:
        if max(image.size) > MOST_SIDE or image.width * image.height > MOST_POINTS:
            raise Unusable("pixels")
        shown, _ = _colours(ImageOps.exif_transpose(image))
        small = ImageOps.fit(shown, (side, side))
        small.info = {}
        return Made(side, side, 1, _mean(small), [_saved(small, f"{side}.webp", "webp", quality=SQUARE_QUALITY)])

    return _opened(raw, cut)


def _check(image: Image.Image) -> int:
    """How many pictures it moves through.

    Raises:
        Unusable: it is too large.
    """
    if max(image.size) > MOST_SIDE or image.width * image.height > MOST_POINTS:
        raise Unusable("pixels")
    frames = int(getattr(image, "n_frames", 1))
    if frames > MOST_FRAMES:
        raise Unusable("frames")
    if image.width * image.height * frames > MOST_POINTS:
        raise Unusable("pixels")
    return frames


def _still(image: Image.Image) -> Made:
    image.load()
    shown, profile = _colours(ImageOps.exif_transpose(image))
    # Encoders write what stands here by themselves: a JPEG's comment, a profile.
    shown.info = {}
    variants = list(_stills(shown, profile))
    return Made(shown.width, shown.height, 1, _mean(shown), variants)


def _stills(shown: Image.Image, profile: bytes | None) -> Iterator[Variant]:
    for width in _widths(shown.width):
        small = _scaled(shown, width)
        for kind, quality, more in (("webp", WEBP_QUALITY, {"method": 4}), ("avif", AVIF_QUALITY, {"speed": 8})):
            yield _saved(small, f"{width}.{kind}", kind, quality=quality, icc_profile=profile, **more)
    yield _mail(shown, profile)


def _mail(shown: Image.Image, profile: bytes | None) -> Variant:
    small = _scaled(shown, min(shown.width, MAIL_WIDTH))
    if small.mode != "RGB":
        white = Image.new("RGB", small.size, "white")
        white.paste(small, mask=small.getchannel("A"))
        small = white
    return _saved(small, "mail.jpg", "jpeg", quality=JPEG_QUALITY, icc_profile=profile, optimize=True)


def _moving(image: Image.Image, frames: int) -> Made:
    width = min(image.width, MOVING_WIDTH)
    pictures: list[Image.Image] = []
    durations: list[int] = []
    for number in range(frames):
        image.seek(number)
        image.load()
        if image.width * image.height * frames > MOST_POINTS:
            # It grows while it is decoded.
            raise Unusable("pixels")
        bare = image.convert("RGBA")
        bare.info = {}
        pictures.append(_scaled(bare, width))
        durations.append(max(LEAST_DURATION, int(image.info.get("duration") or DURATION)))
    first = pictures[0]
    body = BytesIO()
    first.save(
        body, "WEBP", save_all=True, append_images=pictures[1:], duration=durations, loop=0, quality=WEBP_QUALITY,
        method=2,
    )  # fmt: skip
    moving = Variant(f"{width}.webp", "image/webp", first.width, first.height, body.getvalue())
    still = _saved(first, "still.webp", "webp", quality=WEBP_QUALITY, method=4)
    return Made(image.width, image.height, frames, _mean(first), [moving, still, _mail(first, None)])


def _colours(image: Image.Image) -> tuple[Image.Image, bytes | None]:
    """*image* as RGB or RGBA, with the colour profile to keep."""
    profile = image.info.get("icc_profile")
    clear = image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info
    mode = "RGBA" if clear else "RGB"
    if profile and image.mode in ("RGB", "RGBA") and len(profile) <= MOST_PROFILE:
        return image.convert(mode), profile
    if profile and image.mode in ("RGB", "CMYK"):
        try:
            given = ImageCms.ImageCmsProfile(BytesIO(profile))
            turned = ImageCms.profileToProfile(image, given, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, ValueError):
            return image.convert(mode), None
        return (turned or image.convert("RGB")), None
    if image.mode.startswith("I;16") or image.mode == "I":
        # Sixteen bits of grey: the upper eight.
        image = image.point(lambda value: value / 256).convert("L")
    return image.convert(mode), None


def _widths(width: int) -> list[int]:
    smaller = [one for one in WIDTHS if one < width]
    return [*smaller, width] if width <= WIDTHS[-1] else smaller


def _scaled(image: Image.Image, width: int) -> Image.Image:
    if width >= image.width:
        return image
    height = max(1, round(image.height * width / image.width))
    return image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)


def _saved(image: Image.Image, name: str, kind: str, **how: Any) -> Variant:
    body = BytesIO()
    image.save(body, kind.upper(), **{key: value for key, value in how.items() if value is not None})
    return Variant(name, f"image/{kind}", image.width, image.height, body.getvalue())


def _mean(image: Image.Image) -> str:
    red, green, blue, *alpha = image.convert("RGBA").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))  # type: ignore[misc]
    return f"#{red:02x}{green:02x}{blue:02x}" if not alpha or alpha[0] else "#808080"
