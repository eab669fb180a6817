"""Pictures made anew by real confined processes."""

from __future__ import annotations

import json
import os
import re
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from twisted.internet import reactor
from twisted.internet.protocol import Factory
from twisted.trial.unittest import TestCase

from cackled.domain.errors import Unprocessable
from cackled.media import image_workers
from cackled.media.image_workers import Interrupted, Picture, Workshop
from cackled.metrics import Metrics
from tests.media import corpus, hostile_decoder

clock: Any = reactor


class WorkshopTests(TestCase):
    """What comes out for what went in."""

    timeout = 300

    def setUp(self) -> None:
        self.workshop = Workshop(clock, Metrics())

    def opened(self, picture: Picture, name: str) -> Image.Image:
        """One of the files, decoded."""
        (found,) = [one for one in picture.files if one.name == name]
        image = Image.open(BytesIO(found.body))
        image.load()
        self.assertEqual(image.size, (found.width, found.height))
        self.assertEqual(Image.MIME[str(image.format)], found.type)
        return image

    async def test_widths(self) -> None:
        """Three widths at most, never wider than what came; a JPEG for mail."""
        large = await self.workshop.remake(corpus.picture(size=(2_000, 1_000)))
        self.assertEqual(
            sorted(one.name for one in large.files),
            ["1600.avif", "1600.webp", "320.avif", "320.webp", "800.avif", "800.webp", "mail.jpg"],
        )
        self.assertEqual((large.width, large.height, large.frames, large.color), (2_000, 1_000, 1, "#c24020"))
        self.assertTrue(large.confined)
        self.assertEqual(self.opened(large, "800.avif").size, (800, 400))
        small = await self.workshop.remake(corpus.picture("PNG", (20, 30)))
        self.assertEqual([one.name for one in small.files], ["20.webp", "20.avif", "mail.jpg"])

    async def test_square(self) -> None:
        """A small square of one's own, turned, still, with nothing else in it; what is no picture is refused."""
        for raw in (corpus.located(), corpus.located("WEBP"), corpus.moving(), corpus.picture("AVIF")):
            made = await self.workshop.square(raw + corpus.SCRIPT, 160)
            self.assertNotIn(b"secret", made)
            self.assertNotIn(b"script", made)
            image = Image.open(BytesIO(made))
            self.assertEqual((image.format, image.size, getattr(image, "n_frames", 1)), ("WEBP", (160, 160), 1))
        first = Image.open(BytesIO(await self.workshop.square(corpus.moving(), 160))).convert("RGB").getpixel((80, 80))
        assert isinstance(first, tuple)
        self.assertLess(max(first), 40)
        for name, (raw, reason) in corpus.REFUSED.items():
            if reason == "type" or name in ("pixel flood", "one long side", "zipped words", "cut short PNG"):
                error = await self.assertFailure(_deferred(self.workshop.square(raw, 160)), Unprocessable)
                self.assertEqual(error.slug, f"media-{reason}", name)

    async def test_nothing_else(self) -> None:
        """Turned as the camera meant it; place, words and what else was in the file are gone."""
        for kind in ("JPEG", "PNG", "WEBP"):
            made = await self.workshop.remake(corpus.located(kind) + corpus.SCRIPT)
            self.assertEqual((made.width, made.height), (200, 400), kind)
            for one in made.files:
                self.assertNotIn(b"secret", one.body)
                self.assertNotIn(b"script", one.body)
                self.assertEqual(dict(Image.open(BytesIO(one.body)).getexif()), {}, one.name)

    async def test_clear(self) -> None:
        """What is clear stays clear; in mail it is white."""
        raw = corpus.saved(Image.new("RGBA", (50, 50), (255, 0, 0, 0)), "PNG")
        made = await self.workshop.remake(raw)
        self.assertEqual(self.opened(made, "50.webp").convert("RGBA").getpixel((9, 9))[3], 0)  # type: ignore[index]
        self.assertEqual(self.opened(made, "mail.jpg").getpixel((9, 9)), (255, 255, 255))

    async def test_colours(self) -> None:
        """A small profile stays, a huge one is applied and left out; all modes that there are."""
        kept = await self.workshop.remake(corpus.profiled(5_000))
        self.assertEqual(len(self.opened(kept, "320.webp").info["icc_profile"]), 5_000)
        huge = await self.workshop.remake(corpus.profiled(3_000_000))
        for one in huge.files:
            self.assertLess(len(self.opened(huge, one.name).info.get("icc_profile") or b""), 4_000, one.name)
        for mode in ("1", "L", "LA", "P", "I;16", "RGBA"):
            raw = corpus.saved(Image.new(mode, (40, 40)), "PNG")
            self.assertEqual((await self.workshop.remake(raw)).width, 40, mode)
        self.assertEqual((await self.workshop.remake(corpus.saved(Image.new("CMYK", (9, 9)), "JPEG"))).width, 9)

    async def test_moving(self) -> None:
        """It moves on as WebP, with a still one beside it."""
        for kind in ("GIF", "WEBP", "PNG"):
            made = await self.workshop.remake(corpus.moving(kind, 5, (1_000, 100)))
            self.assertEqual([one.name for one in made.files], ["800.webp", "still.webp", "mail.jpg"], kind)
            self.assertEqual((made.frames, getattr(self.opened(made, "800.webp"), "n_frames", 0)), (5, 5), kind)

    async def test_growing(self) -> None:
        """A picture outside of its screen makes nothing larger: refused, or as large as it said."""
        try:
            made = await self.workshop.remake(corpus.growing())
        except Unprocessable as error:
            self.assertIn(error.slug, ("media-broken", "media-pixels"))
        else:
            self.assertEqual((made.width, made.height), (100, 60))

    async def test_refused(self) -> None:
        """What is no picture, or is made to harm."""
        for name, (raw, reason) in corpus.REFUSED.items():
            error = await self.assertFailure(_deferred(self.workshop.remake(raw)), Unprocessable)
            self.assertEqual(error.slug, f"media-{reason}", name)

    async def test_polyglots(self) -> None:
        """A picture that is a page, a script, an archive or a document as well is a picture only."""
        for name, raw in corpus.POLYGLOTS.items():
            self.assertTrue(corpus.HIDDEN in raw, name)
            made = await self.workshop.remake(raw)
            for one in made.files:
                for part in (b"<?php", b"<script", b"PK\x03\x04", b"%PDF"):
                    self.assertNotIn(part, one.body, name)
                self.assertIn(self.opened(made, one.name).format, ("WEBP", "AVIF", "JPEG"))

    def test_described(self) -> None:
        """The table of the documentation has these rows."""
        text = (Path(__file__).resolve().parents[2] / "docs" / "media.md").read_text()
        for name, (_, reason) in corpus.REFUSED.items():
            self.assertRegex(text, rf"\| {re.escape(name)} \|[^|\n]*\| refused: `media-{reason}` \|")
        for name in corpus.POLYGLOTS:
            self.assertRegex(text, rf"\| {re.escape(name)} \|[^|\n]*\| made anew")

    async def test_broken_into(self) -> None:
        """A decoder that a file has taken over gets at no file, connection or other process; it can but answer."""
        heard: list[object] = []

        class Listening(Factory):
            def buildProtocol(self, addr: object) -> None:
                heard.append(addr)

        port = clock.listenTCP(0, Listening(), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        secret = Path(self.mktemp())
        secret.write_text("canary")
        self.patch(image_workers, "WORKER", Path(hostile_decoder.__file__))
        os.environ["CACKLED_CANARY"] = "canary"
        self.addCleanup(os.environ.pop, "CACKLED_CANARY")
        sent = json.dumps([port.getHost().port, str(secret.absolute()), os.getpid()]).encode()
        picture = await self.workshop.remake(sent)
        self.assertEqual((picture.confined, picture.apart), (True, os.geteuid() == 0))
        told = json.loads(picture.files[0].body)
        self.assertGreater(len(told["got"]), 25)
        self.assertEqual({name for name, outcome in told["got"].items() if outcome == "done"}, set())
        self.assertEqual(told["open"], [])
        self.assertNotIn("canary", json.dumps(told))
        self.assertEqual((secret.read_text(), heard), ("canary", []))
        self.assertFalse(Path("/tmp/hostile").exists())

    async def test_time(self) -> None:
        """What takes too long is ended."""
        workshop = Workshop(clock, Metrics(), seconds=0.0)
        error = await self.assertFailure(_deferred(workshop.remake(corpus.picture())), Unprocessable)
        self.assertEqual(error.slug, "media-time")

    async def test_ended_from_outside(self) -> None:
        """A process that somebody ends says nothing of its file; one that is killed again and again takes memory."""
        script = Path(self.mktemp()).absolute()
        self.patch(image_workers, "WORKER", script)
        for name in ("SIGTERM", "SIGINT", "SIGHUP"):
            script.write_text(
                f"import os, signal\nsignal.signal(signal.{name}, signal.SIG_DFL)\nos.kill(os.getpid(), signal.{name})"
            )
            error = await self.assertFailure(_deferred(self.workshop.remake(b"x")), Interrupted)
            self.assertEqual((error.status, error.retry_after, error.passing), (503, 10.0, True), name)
        script.write_text("import os\nos.kill(os.getpid(), 9)")
        refused = await self.assertFailure(_deferred(self.workshop.remake(b"x")), Unprocessable)
        self.assertEqual((refused.slug, refused.passing), ("media-memory", False))
        once = Path(self.mktemp()).absolute()
        real = Path(image_workers.__file__).with_name("image_worker.py")
        script.write_text(
            f"import os, runpy\nif not os.path.exists({str(once)!r}):\n"
            f"    open({str(once)!r}, 'w').close()\n    os.kill(os.getpid(), 9)\n"
            f"runpy.run_path({str(real)!r}, run_name='__main__')\n"
        )
        self.assertEqual((await self.workshop.remake(corpus.picture("PNG", (20, 30)))).width, 20)


def _deferred(work: Any) -> Any:
    from twisted.internet.defer import Deferred

    return Deferred.fromCoroutine(work)
