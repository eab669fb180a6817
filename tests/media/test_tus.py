"""Uploads in several requests, by raw sockets: cut and gone on with, never too much, never another's."""

from __future__ import annotations

import os
from base64 import b64encode
from typing import Any

from PIL import Image
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from cackled.domain.errors import TooFast
from cackled.domain.limits import CallLimits
from cackled.media import incoming, tus_api
from cackled.media.store import MediaStore
from tests.api.common import ORIGIN, Answer, clock
from tests.media import corpus
from tests.media.test_media import MediaCase


def openapi_headers(method: str, path: str) -> list[str]:
    """The headers that an answer has by the description."""
    (route,) = [one for one in tus_api.ROUTES if (one.method, one.path) == (method, path)]
    return [one.name for one in route.gets if one.required]


class Wire(Protocol):
    """A connection whose every byte the test sends."""

    def __init__(self) -> None:
        self.got = b""
        self.lost: Deferred[bytes] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.got += data

    def connectionLost(self, reason: Failure = None) -> None:  # type: ignore[assignment]
        self.lost.callback(self.got)

    def say(self, data: bytes) -> None:
        """Send *data*."""
        assert self.transport is not None
        self.transport.write(data)

    def cut(self) -> None:
        """Break the connection, as a lost network does."""
        transport: Any = self.transport
        transport.abortConnection()


def noise(size: int = 700) -> bytes:
    """A picture of about a megabyte that nothing makes smaller."""
    return corpus.saved(Image.frombytes("RGB", (size, size), os.urandom(size * size * 3)), "PNG")


class TusCase(MediaCase):
    """A visitor of site 1, and what they send."""

    async def tus(self, method: str, path: str, body: bytes | None = None, **headers: str | None) -> Answer:
        """One request of the protocol."""
        given: dict[str, str | None] = {"tus_resumable": "1.0.0", "authorization": self.auth, "origin": ORIGIN}
        if body is not None:
            given["content_type"] = "application/offset+octet-stream"
        return await self.ask(method, path, body, **(given | headers))

    async def begin(self, length: int, body: bytes | None = None, **headers: str | None) -> str:
        """The address of a new upload."""
        answer = await self.tus("POST", "/api/v1/sites/1/uploads", body, upload_length=str(length), **headers)
        self.assertEqual((answer.status, answer.headers["tus-resumable"]), (201, "1.0.0"), answer)
        for one in openapi_headers("POST", "/sites/{site}/uploads"):
            self.assertIn(one.lower(), answer.headers)
        self.assertEqual(answer.headers["upload-offset"], str(len(body or b"")))
        return answer.headers["location"]

    async def at(self, path: str) -> int:
        """How many bytes are here."""
        answer = await self.tus("HEAD", path)
        self.assertEqual((answer.status, answer.headers["cache-control"]), (200, "no-store"), answer)
        return int(answer.headers["upload-offset"])

    async def write(self, path: str, at: int, body: bytes, **headers: str | None) -> Answer:
        """Send a part in one request."""
        return await self.tus("PATCH", path, body, upload_offset=str(at), **headers)

    async def wire(self, path: str, at: int, length: int, method: str = "PATCH", more: str = "") -> Wire:
        """A connection on which the head of a part was sent."""
        made = await connectProtocol(TCP4ClientEndpoint(clock, "127.0.0.1", self.port), Wire())
        size = "transfer-encoding: chunked" if length < 0 else f"content-length: {length}"
        made.say(
            f"{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: {self.auth}\r\ntus-resumable: 1.0.0\r\n"
            f"content-type: application/offset+octet-stream\r\nupload-offset: {at}\r\n{size}\r\n{more}\r\n".encode()
        )
        return made

    async def until_kept(self, size: int) -> None:
        """Wait until *size* bytes of the only upload are kept."""
        for _ in range(1_000):
            if self.sql("select coalesce(max(at), 0) from upload")[0][0] >= size:
                return
            await deferLater(clock, 0.02)
        self.fail("nothing more is kept")

    async def picture(self, path: str) -> dict[str, Any]:
        """The picture of an upload that is whole."""
        answer = await self.tus("GET", path)
        self.assertEqual(answer.status, 200, answer)
        return answer.json()["media"]


class ProtocolTests(TusCase):
    """What the protocol says."""

    async def test_options(self) -> None:
        """Versions, extensions and the largest size are told, without a version or a session."""
        for path in ("/api/v1/sites/1/uploads", "/api/v1/sites/1/uploads/x"):
            answer = await self.ask("OPTIONS", path, origin=ORIGIN)
            self.assertEqual((answer.status, answer.headers["tus-version"]), (204, "1.0.0"))
            self.assertEqual(answer.headers["tus-max-size"], str(10 * 1_048_576))
            self.assertEqual(
                answer.headers["tus-extension"],
                "creation,creation-defer-length,creation-with-upload,expiration,termination",
            )
            self.assertIn("upload-offset", answer.headers["access-control-allow-headers"])
            self.assertIn("authorization", answer.headers["access-control-allow-headers"])

    async def test_in_parts(self) -> None:
        """Begun, written in three parts, made; the same file again is that picture's."""
        raw = corpus.picture(size=(900, 600))
        words = b64encode("Eine Mauer \u2013 rot".encode()).decode()
        path = await self.begin(len(raw), upload_metadata=f"filename {b64encode(b'x.jpg').decode()},alt {words},odd")
        looked = await self.tus("HEAD", path)
        self.assertEqual((looked.headers["upload-length"], looked.headers["upload-offset"]), (str(len(raw)), "0"))
        self.assertIn(words, looked.headers["upload-metadata"])
        third = len(raw) // 3
        for first, last in ((0, third), (third, 2 * third), (2 * third, len(raw))):
            self.assertIsNone(await self.picture(path))
            answer = await self.write(path, first, raw[first:last])
            self.assertEqual((answer.status, answer.headers["upload-offset"]), (204, str(last)), answer)
        made = await self.picture(path)
        self.assertEqual((made["width"], made["height"], made["alt"]), (900, 600, "Eine Mauer \u2013 rot"))
        self.assertEqual((await self.ask("GET", made["files"][0]["src"])).status, 200)
        self.assertEqual(self.sql("select count(*) from upload_piece"), [(0,)])
        self.assertEqual((await self.picture(path))["id"], made["id"])
        self.assertEqual(self.sql("select count(*) from media"), [(1,)])
        self.assertEqual(await self.at(path), len(raw))

    async def test_with_upload(self) -> None:
        """The first part comes with the beginning, and may be the whole."""
        raw = corpus.picture()
        path = await self.begin(len(raw), raw)
        self.assertEqual((await self.picture(path))["width"], 400)
        half = await self.begin(len(raw), raw[:100])
        self.assertEqual(await self.at(half), 100)
        self.assertEqual((await self.write(half, 100, raw[100:])).status, 204)

    async def test_length_later(self) -> None:
        """A length that is not known yet may be said with a part; then it stays."""
        raw = corpus.picture()
        begun = await self.tus("POST", "/api/v1/sites/1/uploads", upload_defer_length="1")
        path = begun.headers["location"]
        self.assertEqual((await self.tus("HEAD", path)).headers["upload-defer-length"], "1")
        self.assertEqual((await self.write(path, 0, raw[:500])).status, 204)
        self.assertEqual((await self.write(path, 500, b"x", upload_length="400")).slug, "upload-offset")
        self.assertEqual((await self.write(path, 500, raw[500:], upload_length=str(len(raw)))).status, 204)
        self.assertEqual((await self.picture(path))["width"], 400)

    async def test_refused(self) -> None:
        """Wrong versions, types, offsets, lengths and metadata; nothing is kept of them."""
        raw = corpus.picture()
        path, every = await self.begin(len(raw)), "/api/v1/sites/1/uploads"
        old = await self.tus("HEAD", path, tus_resumable="0.2.2")
        self.assertEqual((old.status, old.headers["tus-version"]), (412, "1.0.0"))
        for method, place, body, headers, slug in (
            ("PATCH", path, raw, {"upload_offset": "0", "tus_resumable": None}, "tus-version"),
            ("PATCH", path, raw, {"upload_offset": "0", "content_type": "image/jpeg"}, "upload-type"),
            ("PATCH", path, raw, {"upload_offset": "7"}, "upload-offset"),
            ("PATCH", path, raw, {"upload_offset": "-1"}, "bad-field"),
            ("PATCH", path, raw, {}, "bad-field"),
            ("PATCH", path, raw + b"x", {"upload_offset": "0"}, "upload-large"),
            ("PATCH", path, b"", {"upload_offset": "5"}, "upload-offset"),
            ("PATCH", path[:-3] + "AAA", raw, {"upload_offset": "0"}, "not-found"),
            ("PATCH", path + "/..", raw, {"upload_offset": "0"}, "not-found"),
            ("POST", path, raw, {"upload_offset": "0"}, "bad-field"),
            ("POST", every, None, {}, "bad-field"),
            ("POST", every, None, {"upload_length": "9" * 16}, "bad-field"),
            ("POST", every, None, {"upload_length": "x"}, "bad-field"),
            ("POST", every, None, {"upload_length": "10485761"}, "upload-large"),
            ("POST", every, raw, {"upload_length": "5"}, "upload-offset"),
            ("POST", every, None, {"upload_length": "5", "upload_metadata": "a b c"}, "bad-field"),
            ("POST", every, None, {"upload_length": "5", "upload_metadata": "a %%%%"}, "bad-field"),
            ("POST", every, None, {"upload_length": "5", "upload_metadata": "a " + "A" * 4000}, "bad-field"),
        ):
            answer = await self.tus(method, place, body, **headers)
            self.assertEqual(answer.slug, slug, (method, headers))
        self.assertEqual(await self.at(path), 0)
        self.assertEqual(self.sql("select count(*), (select count(*) from upload_piece) from upload"), [(1, 0)])
        self.assertEqual((await self.write(path, 0, raw)).status, 204)

    async def test_override(self) -> None:
        """PATCH and DELETE by a client that can only send POST."""
        raw = corpus.picture()
        path = await self.begin(len(raw))
        part = await self.tus("POST", path, raw[:99], upload_offset="0", x_http_method_override="PATCH")
        self.assertEqual((part.status, await self.at(path)), (204, 99))
        gone = await self.tus("POST", path, x_http_method_override="DELETE")
        self.assertEqual((gone.status, (await self.tus("HEAD", path)).status), (204, 404))

    async def test_ended(self) -> None:
        """Termination removes what is here; a picture that was made stays."""
        raw = corpus.picture()
        path, whole = await self.begin(len(raw), raw[:50]), await self.begin(len(raw), raw)
        for one in (path, whole):
            self.assertEqual((await self.tus("DELETE", one)).status, 204)
            self.assertEqual((await self.tus("HEAD", one)).status, 404)
            self.assertEqual((await self.write(one, 50, raw[50:])).slug, "not-found")
        self.assertEqual(self.sql("select (select count(*) from upload_piece), count(*) from media"), [(0, 1)])

    async def test_expired(self) -> None:
        """What is not ended in a day is gone, and an hour later forgotten."""
        raw = corpus.picture()
        path = await self.begin(len(raw), raw[:50])
        self.sql("update upload set expires_at = now() - interval '1 second'")
        answers = [await self.write(path, 50, raw[50:])]
        answers += [await self.tus(method, path) for method in ("GET", "DELETE")]
        for answer in answers:
            self.assertEqual((answer.status, answer.slug), (410, "upload-expired"))
        self.assertEqual((await self.tus("HEAD", path)).status, 410)
        self.sql("update upload set expires_at = now() - interval '2 hours'")
        await self.application.housekeeping.run()
        self.assertEqual((await self.tus("HEAD", path)).status, 404)
        self.assertEqual(self.sql("select count(*) from upload_piece"), [(0,)])


class CutTests(TusCase):
    """Connections that end in the middle."""

    async def test_cut_and_gone_on(self) -> None:
        """Cut in the middle: what came is here, byte for byte, and the rest completes the picture."""
        raw = noise()
        path, half = await self.begin(len(raw)), len(raw) // 2
        wire = await self.wire(path, 0, len(raw))
        wire.say(raw[:half])
        await self.until_kept(half - incoming.PIECE)
        wire.cut()
        await wire.lost
        at = await self.at(path)
        self.assertGreater(at, half - incoming.PIECE)
        self.assertLessEqual(at, half)
        self.assertEqual((await self.write(path, at, raw[at:])).status, 204)
        made = await self.picture(path)
        self.assertEqual(made["width"], 700)
        self.assertEqual(self.sql("select encode(hash, 'hex') from media"), [(corpus.digest(raw),)])

    async def test_asked_before_the_cut_is_known(self) -> None:
        """A question right after ends the old writer, whose bytes are counted; it can write no more."""
        raw = noise()
        path, part = await self.begin(len(raw)), 3 * incoming.PIECE + 1_000
        old = await self.wire(path, 0, len(raw))
        old.say(raw[:part])
        await self.until_kept(3 * incoming.PIECE)
        at = await self.at(path)
        self.assertEqual(at, part)
        self.assertIn(b"upload-taken", await old.lost)
        self.assertEqual((await self.write(path, at, raw[at:])).status, 204)
        await self.picture(path)
        self.assertEqual(self.sql("select encode(hash, 'hex') from media"), [(corpus.digest(raw),)])

    async def test_two_writers(self) -> None:
        """Of two that write at the same time the second one stays; no byte is there twice."""
        raw = noise()
        path = await self.begin(len(raw))
        old = await self.wire(path, 0, len(raw))
        old.say(raw[: incoming.PIECE])
        await self.until_kept(incoming.PIECE)
        new = await self.wire(path, incoming.PIECE, len(raw) - incoming.PIECE)
        self.assertIn(b"upload-taken", await old.lost)
        new.say(raw[incoming.PIECE :])
        await self.until_kept(len(raw))
        new.cut()
        await self.picture(path)
        self.assertEqual(self.sql("select encode(hash, 'hex') from media"), [(corpus.digest(raw),)])

    async def test_writer_of_another_process(self) -> None:
        """A writer that this process does not know is ended by its next piece."""
        raw = noise()
        path = await self.begin(len(raw))
        old = await self.wire(path, 0, len(raw))
        old.say(raw[: incoming.PIECE])
        await self.until_kept(incoming.PIECE)
        self.sql("update upload set writer = writer + 1")
        old.say(raw[incoming.PIECE :])
        self.assertIn(b"upload-taken", await old.lost)
        self.assertEqual(await self.at(path), incoming.PIECE)

    async def test_too_long_in_chunks(self) -> None:
        """A body whose length nobody announced ends where the upload does."""
        raw = corpus.picture()
        path = await self.begin(len(raw))
        wire = await self.wire(path, 0, -1)
        more = b"x" * incoming.PIECE
        wire.say(b"%x\r\n%b\r\n" % (len(more), more))
        self.assertIn(b"upload-large", await wire.lost)
        self.assertEqual(await self.at(path), 0)
        wire = await self.wire(path, 0, -1)
        wire.say(b"%x\r\n%b\r\n0\r\n\r\n" % (len(raw), raw))
        await self.until_kept(len(raw))
        wire.cut()
        self.assertEqual((await self.picture(path))["width"], 400)

    async def test_silent(self) -> None:
        """Who sends nothing for a while is let go; what came is kept."""
        self.patch(incoming, "IDLE", 0.3)
        path = await self.begin(5_000)
        wire = await self.wire(path, 0, 5_000)
        wire.say(b"a" * 1_000)
        self.assertIn(b"upload-idle", await wire.lost)
        self.assertEqual(await self.at(path), 1_000)
        self.assertEqual(self.application.shared[MediaStore].writing, {})

    async def test_cut_at_the_beginning(self) -> None:
        """An upload whose first request was cut is nobody's problem: nothing stays open."""
        wire = await self.wire("/api/v1/sites/1/uploads", 0, 5_000, "POST", "upload-length: 5000\r\n")
        wire.say(b"a" * 10)
        for _ in range(1_000):
            if self.sql("select count(*) from upload") == [(1,)]:
                break
            await deferLater(clock, 0.02)
        wire.cut()
        await wire.lost
        await self.until_kept(10)
        self.assertEqual(self.application.shared[MediaStore].writing, {})


class RightsTests(TusCase):
    """Whose, how much, and whether it may be at its end."""

    async def test_strangers(self) -> None:
        """Another visitor, another site, no token: nothing of an upload is seen or written."""
        raw = corpus.picture()
        path = await self.begin(len(raw), raw[:50])
        other, two = await self.visitor(), await self.visitor(2)
        for auth, origin, place in (
            (other, ORIGIN, path), (two, "https://two.example", path.replace("sites/1", "sites/2")),
        ):
            for method, body in (("PATCH", raw[50:]), ("GET", None), ("DELETE", None)):
                answer = await self.tus(method, place, body, authorization=auth, origin=origin, upload_offset="50")
                self.assertEqual(answer.slug, "not-found", (method, place))
            self.assertEqual((await self.tus("HEAD", place, authorization=auth, origin=origin)).status, 404)
        self.assertEqual((await self.write(path, 50, raw[50:], authorization=None)).slug, "no-token")
        self.assertEqual((await self.write(path, 50, raw[50:], authorization="Bearer x")).slug, "bad-token")
        self.assertEqual((await self.write(path, 50, raw[50:])).status, 204)

    async def test_bounds(self) -> None:
        """So many under way for a visitor, so many in an hour, so many bytes of a site."""
        for _ in range(10):
            await self.begin(1_000)
        full = await self.tus("POST", "/api/v1/sites/1/uploads", upload_length="1000")
        self.assertEqual(full.slug, "uploads-open")
        other = await self.visitor()
        await self.application.sites.change(1, "media.hourly", 1)
        await self.begin(1_000, authorization=other)
        more = await self.tus("POST", "/api/v1/sites/1/uploads", upload_length="1000", authorization=other)
        self.assertEqual(more.slug, "media-hourly")

    async def test_room(self) -> None:
        """What one has begun takes room in full, what others have begun as far as it is here; never more is kept."""
        await self.application.sites.change(1, "media.room", 11_500)
        for _ in range(9):
            await self.begin(1_200)
        own = await self.tus("POST", "/api/v1/sites/1/uploads", upload_length="1000")
        self.assertEqual(own.slug, "media-room")
        other = await self.visitor()
        path = await self.begin(11_000, authorization=other)
        third = await self.visitor()
        large = await self.begin(11_000, b"a" * 8_000, authorization=third)
        self.assertEqual((await self.write(path, 0, b"b" * 3_000, authorization=other)).status, 204)
        full = await self.write(path, 3_000, b"b" * 1_000, authorization=other)
        self.assertEqual((full.status, full.slug), (409, "media-room"))
        self.assertEqual((await self.tus("DELETE", large, authorization=third)).status, 204)
        self.assertEqual((await self.write(path, 3_000, b"b" * 1_000, authorization=other)).status, 204)

    async def test_rights_at_the_end(self) -> None:
        """Who was banned meanwhile, or whose site takes pictures no more, gets none."""
        raw = corpus.picture()
        banned, closed = await self.begin(len(raw)), await self.begin(len(raw))
        self.sql("insert into ban (site_id, kind, value, who, note) values (1, 'visitor', %s, 'x', '')",
                 self.mine["visitor"])  # fmt: skip
        self.assertEqual((await self.write(banned, 0, raw)).slug, "banned")
        self.sql("delete from ban")
        await self.application.sites.change(1, "media.pictures", False)
        self.assertEqual((await self.write(closed, 0, raw)).slug, "no-pictures")
        self.assertEqual(self.sql("select count(*) from media"), [(0,)])

    async def test_rights_at_the_beginning(self) -> None:
        """Who is banned begins nothing, with a first part or without one."""
        self.sql("insert into ban (site_id, kind, value, who, note) values (1, 'visitor', %s, 'x', '')",
                 self.mine["visitor"])  # fmt: skip
        for body in (None, b"a" * 100):
            answer = await self.tus("POST", "/api/v1/sites/1/uploads", body, upload_length="1000")
            self.assertEqual(answer.slug, "banned", body)
        self.assertEqual(self.sql("select count(*) from upload"), [(0,)])

    async def test_limit_before_the_body(self) -> None:
        """A part draws from the limit once; where that is used up nothing is done, and no byte is waited for."""
        path = await self.begin(5_000)
        taken: list[tuple[str, str, int]] = []

        def take(limits: CallLimits, name: str, address: str, site: int, cost: float = 1.0) -> None:
            taken.append((name, address, site))
            if len(taken) > 1:
                raise TooFast(5.0)

        self.patch(CallLimits, "take", take)
        self.assertEqual((await self.write(path, 0, b"a")).status, 204)
        self.assertEqual(taken, [("media.upload", "127.0.0.1", 1)])
        before = self.sql("select id, at, writer from upload")
        for where, at, method in ((path, 1, "PATCH"), ("/api/v1/sites/1/uploads", 0, "POST")):
            wire = await self.wire(where, at, 1_000, method, "upload-length: 5000\r\n")
            wire.say(b"a" * 10)
            self.assertIn(b" 429 ", (await wire.lost).partition(b"\r\n")[0])
        self.assertEqual(self.sql("select id, at, writer from upload"), before)

    async def test_bad_file(self) -> None:
        """What can't be shown is refused at its end, and again to whoever lost the answer; its pieces are gone."""
        raw, reason = corpus.REFUSED["pixel flood"]
        path = await self.begin(len(raw))
        for answer in (await self.write(path, 0, raw), await self.tus("GET", path)):
            self.assertEqual((answer.status, answer.slug), (422, f"media-{reason}"))
        self.assertEqual(self.sql("select (select count(*) from upload_piece), count(*) from media"), [(0, 0)])

    async def test_asked_at_once(self) -> None:
        """Many who ask for the picture of a whole upload get one."""
        raw = corpus.picture()
        path = await self.begin(len(raw))
        self.sql("insert into upload_piece select 1, id, 0, %s from upload", raw)
        self.sql("update upload set at = length")
        work: list[Deferred[Any]] = [Deferred.fromCoroutine(self.picture(path)) for _ in range(4)]
        made = await gatherResults(work)
        self.assertEqual(len({one["id"] for one in made}), 1)
        self.assertEqual(self.sql("select count(*) from media"), [(1,)])

    async def test_erased(self) -> None:
        """Who is forgotten takes along what was under way."""
        await self.begin(1_000, b"a" * 500)
        await self.application.erasures.erase(1, int(self.mine["visitor"]))
        self.assertEqual(self.sql("select (select count(*) from upload_piece), count(*) from upload"), [(0, 0)])
