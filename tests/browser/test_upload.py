"""How people add pictures in a browser: several, dragged, pasted, by a camera, over a connection that is cut."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import psycopg2
from PIL import Image
from playwright.sync_api import Page

from cackled.database import embedded
from tests.browser.test_live import ALONE
from tests.browser.test_pictures import CHANNEL, LOADED
from tests.media import corpus
from tests.support.browser import BrowserCase
from tests.support.client import Visitor, call
from tests.support.cutting import Cutting
from tests.support.daemon import Daemon

PHONE: dict[str, Any] = {
    "viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True, "device_scale_factor": 2,
}  # fmt: skip
# Pictures that are there, in the form.
DONE = "n => document.querySelectorAll('.mc-picwords:not([hidden])').length === n"
SHOWN = """
n => { const all = [...document.querySelectorAll('.mc-c .mc-album img')];
  all.forEach(i => { i.loading = 'eager' });
  return all.length === n && all.every(i => i.complete && i.naturalWidth > 0) }
"""
COPY = """
bytes => navigator.clipboard.write([new ClipboardItem(
  {'image/png': new Blob([new Uint8Array(bytes)], {type: 'image/png'})})])
"""


def noise(side: int) -> bytes:
    """A GIF that can't be made smaller, of a little more than *side* x *side* bytes."""
    image = Image.frombytes("L", (side, side), random.Random(side).randbytes(side * side))
    return corpus.saved(image, "GIF")


def file(name: str, raw: bytes) -> Any:
    """*raw* as it is chosen."""
    return {"name": name, "mimeType": f"image/{name.rpartition('.')[2].replace('jpg', 'jpeg')}", "buffer": raw}


class UploadTests(BrowserCase):
    daemon: Daemon | None = None

    def setUp(self) -> None:
        super().setUp()
        if UploadTests.daemon is None:
            UploadTests.daemon = Daemon('[limits]\nexempt = ["127.0.0.0/8"]\n')
            UploadTests.daemon.admin("site set 1 media.pictures yes")
            UploadTests.daemon.admin("site set 1 media.hourly 1000")
        self.url = UploadTests.daemon.url

    def writer(self, channel: str, url: str = "", **options: Any) -> Page:
        """A page whose reader has begun to write in the conversation *channel*."""
        context = self.context(**options)
        context.add_init_script(ALONE)
        context.route(
            "**/demo/demo.js", lambda route: route.fulfill(body=CHANNEL % channel, content_type="text/javascript")
        )
        page = self.page(f"{url or self.url}/demo?embed=1", context=context)
        page.locator(".mc-input").first.click()
        page.locator(".mc-input").first.fill("Look at this.")
        page.locator(".mc-picfile").wait_for(state="attached")
        return page

    def comments(self, channel: str) -> list[Any]:
        """The comments of a conversation, as everybody has them."""
        return call(f"{self.url}/api/v1/sites/1/comments?channel={channel}").json()["page"]["comments"]

    def comment(self, channel: str) -> Any:
        """The one comment of a conversation, as soon as everybody has it."""
        self.soon(lambda: self.assertEqual(len(self.comments(channel)), 1))
        return self.comments(channel)[0]

    def kept(self) -> int:
        """Bytes that the daemon has of the upload that is under way."""
        assert self.daemon is not None
        folder = (self.daemon.data() / "postmaster.pid").read_text().splitlines()[4]
        connection = psycopg2.connect(host=folder, port=5432, user=embedded.ROLE, dbname=embedded.DATABASE)
        try:
            with connection.cursor() as cursor:
                cursor.execute("select coalesce(max(at), 0) from upload")
                return int(cursor.fetchone()[0])
        finally:
            connection.close()

    def test_several(self) -> None:
        """Several at once, in their order; of more than there may be the first are taken, and that is said."""
        page = self.writer("several")
        page.locator(".mc-picfile").set_input_files(
            [file(f"{n}.png", corpus.picture("PNG", (300 + n, 200))) for n in range(5)]
        )
        self.until(page, DONE, 4)
        page.locator(".mc-picbox .mc-error:has-text('too many pictures')").wait_for()
        page.get_by_label("Remove the picture").nth(1).click()
        self.until(page, DONE, 3)
        page.locator(".mc-form .mc-formbtn").first.click()
        self.until(page, SHOWN, 3)
        one = self.comment("several")
        self.assertEqual([picture["width"] for picture in one["media"]], [300, 302, 303])

    def test_failed(self) -> None:
        """While one has failed nothing is sent, by no key and no button; the draft keeps the others; then all goes."""
        page = self.writer("failed")
        page.locator(".mc-picfile").set_input_files([file("1.jpg", corpus.picture())])
        self.until(page, DONE, 1)
        sent: list[str] = []
        page.on("request", lambda request: sent.append(f"{request.method} {request.url.rpartition('/')[2]}"))
        page.context.set_offline(True)
        page.locator(".mc-picfile").set_input_files([file("2.jpg", corpus.picture(color="#2040c0"))])
        again = page.get_by_label("Send the picture again").locator("visible=true")
        again.wait_for()
        page.context.set_offline(False)
        button = page.locator(".mc-form .mc-formbtn").first
        self.assertTrue(button.is_disabled())
        page.locator(".mc-input").first.press("Control+Enter")
        again.click()
        self.until(page, DONE, 2)
        self.assertNotIn("POST comments", sent)
        self.assertEqual(self.comments("failed"), [])
        page.reload()
        self.until(page, DONE, 2)
        self.assertEqual(page.locator(".mc-input").first.input_value(), "Look at this.")
        page.locator(".mc-form .mc-formbtn").first.click()
        self.until(page, SHOWN, 2)
        self.assertEqual(len(self.comment("failed")["media"]), 2)

    def test_dragged(self) -> None:
        """Dragged over the form, which says that it takes it, and let go; a file that is no picture is left alone."""
        page = self.writer("dragged")
        place = Path(self.mktemp()).resolve()
        place.mkdir()
        (place / "mug.png").write_bytes(corpus.picture("PNG"))
        box = page.locator(".mc-input").first.bounding_box()
        assert box is not None
        at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        data = {"items": [], "files": [str(place / "mug.png")], "dragOperationsMask": 1}
        session = page.context.new_cdp_session(page)
        for kind in ("dragEnter", "dragOver"):
            session.send("Input.dispatchDragEvent", {"type": kind, **at, "data": data})
        self.until(page, "!!document.querySelector('.mc-form.mc-drop')")
        session.send("Input.dispatchDragEvent", {"type": "drop", **at, "data": data})
        self.until(page, DONE, 1)
        self.assertEqual(page.locator(".mc-form.mc-drop").count(), 0)
        page.locator(".mc-form .mc-formbtn").first.click()
        self.until(page, SHOWN, 1)

    def test_pasted(self) -> None:
        """A picture from the clipboard, by the keys that paste."""
        page = self.writer("pasted", permissions=["clipboard-read", "clipboard-write"])
        page.evaluate(COPY, list(corpus.picture("PNG")))
        page.locator(".mc-input").first.press("Control+v")
        self.until(page, DONE, 1)
        self.assertEqual(page.locator(".mc-input").first.input_value(), "Look at this.")
        page.locator(".mc-form .mc-formbtn").first.click()
        self.until(page, SHOWN, 1)

    def test_phone(self) -> None:
        """A telephone's camera is offered; its large picture is sent small, without where it was taken, upright."""
        page = self.writer("phone", **PHONE)
        photo = page.get_by_role("button", name="Take a photo")
        photo.wait_for()
        with page.expect_file_chooser() as chosen:
            photo.tap()
        chooser = chosen.value
        self.assertFalse(chooser.is_multiple())
        self.assertEqual(chooser.element.get_attribute("capture"), "environment")
        exif = Image.Exif()
        exif[0x0112] = 6
        taken = corpus.picture("JPEG", (4000, 3000), exif=exif)
        with page.expect_request(lambda one: one.method == "POST" and "/media" in one.url) as sent:
            chooser.set_files([file("camera.jpg", taken)])
        self.until(page, DONE, 1)
        body = sent.value.post_data_buffer
        self.assertLess(len(body or taken), len(taken))
        self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), 360)
        with page.expect_file_chooser() as several:
            page.locator(".mc-addpics").first.tap()
        self.assertTrue(several.value.is_multiple())
        page.locator(".mc-form .mc-formbtn").first.click()
        self.until(page, SHOWN, 1)
        one = self.comment("phone")
        self.assertEqual([(picture["width"], picture["height"]) for picture in one["media"]], [(1500, 2000)])

    def test_desk(self) -> None:
        """Where there is a mouse no camera is offered."""
        page = self.writer("desk")
        self.assertEqual(page.get_by_role("button", name="Take a photo").count(), 0)

    def test_cut(self) -> None:
        """A connection that is cut in the middle of a large file: what has come is asked for, and the rest is sent."""
        assert self.daemon is not None
        way = Cutting(self.daemon.port)
        self.addCleanup(way.close)
        page = self.writer("cut", way.url)
        raw = noise(1_500)
        self.assertGreater(len(raw), 2_000_000)
        asked: list[tuple[str, int]] = []

        def note(request: Any) -> None:
            if "/uploads/" in request.url:
                asked.append((request.method, int(request.headers.get("upload-offset", -1))))

        page.on("request", note)
        way.hold(1_500_000)
        page.locator(".mc-picfile").set_input_files([file("large.gif", raw)])
        # The page is told nothing until it asks.
        self.soon(lambda: self.assertGreater(self.kept(), 500_000))
        way.cut()
        self.until(page, DONE, 1)
        self.assertEqual(way.cuts, 1)
        self.assertEqual([method for method, _ in asked if method != "OPTIONS"], ["PATCH", "HEAD", "PATCH", "GET"])
        first, second = (at for method, at in asked if method == "PATCH")
        self.assertEqual(first, 0)
        # Whole pieces of what came before the cut are kept.
        self.assertGreater(second, 500_000)
        self.assertLess(second, len(raw))
        page.locator(".mc-form .mc-formbtn").first.click()
        self.until(page, LOADED)
        one = self.comment("cut")
        (picture,) = one["media"]
        # The same file in one request is the same picture, byte for byte.
        other = Visitor(self.url).call("/media", "POST", raw).json()
        whole = call(self.url + next(one["src"] for one in other["files"] if one["type"] == "image/webp"))
        name = next(one["src"] for one in other["files"] if one["type"] == "image/webp").rpartition("/")[2]
        parts = call(f"{self.url}/media/{picture['id']}/{name}")
        self.assertEqual((parts.status, corpus.digest(parts.body)), (200, corpus.digest(whole.body)))
