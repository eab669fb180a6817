"""Files of messages in several requests: by a conversation's secret or an operator's session, and by nobody else."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.task import deferLater

from cackled.media import incoming
from tests.api.common import Answer, clock
from tests.media import corpus
from tests.media.test_tus import Wire, noise
from tests.products.chat.common import CHATS, ChatCase
from tests.support.staff import StaffClient, sign_in

PART = "application/offset+octet-stream"


def named(name: str) -> str:
    """Metadata that says how a file is called."""
    return f"filename {b64encode(name.encode()).decode()}"


class UploadCase(ChatCase):
    """A conversation on a site that takes pictures and files."""

    async def setUp(self) -> None:
        await super().setUp()
        for name in ("pictures", "files"):
            await self.application.sites.change(1, f"media.{name}", True)
        self.chat = await self.start()
        self.path = f"{CHATS}/{self.chat['chat']}"

    async def tus(
        self, method: str, path: str, body: bytes | None = None, auth: str | None = None, **headers: str | None
    ) -> Answer:
        """One request of the protocol, by the conversation's visitor or with the token *auth*."""
        given: dict[str, str | None] = {"tus_resumable": "1.0.0", "authorization": auth or self.auth}
        if body is not None:
            given["content_type"] = PART
        return await self.ask(method, path, body, **(given | headers))

    async def by(
        self, operator: StaffClient, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> Answer:
        """The same by an operator."""
        kind = {} if body is None else {"content_type": PART}
        return await operator.ask(method, path, body, tus_resumable="1.0.0", **kind, **headers)

    @property
    def auth(self) -> str:
        return f"Bearer {self.chat['token']}"

    async def begin(self, length: int, name: str = "", body: bytes | None = None) -> str:
        """The address of a new upload of the visitor's."""
        more = {"upload_metadata": named(name)} if name else {}
        answer = await self.tus("POST", f"{self.path}/uploads", body, upload_length=str(length), **more)
        self.assertEqual((answer.status, answer.headers["tus-resumable"]), (201, "1.0.0"), answer)
        return answer.headers["location"]

    async def write(self, path: str, at: int, body: bytes, **more: Any) -> Answer:
        """Send a part."""
        return await self.tus("PATCH", path, body, upload_offset=str(at), **more)

    def kept(self) -> list[tuple[Any, ...]]:
        """Bytes of uploads, and files."""
        return self.sql("select (select coalesce(sum(at), 0)::int from upload), (select count(*) from media)")


class SendingTests(UploadCase):
    async def test_by_visitor(self) -> None:
        """In parts; then it is the visitor's for a message, signed for them, and for nobody before that."""
        raw = corpus.picture(size=(900, 600))
        path = await self.begin(len(raw), "wall.jpg")
        half = len(raw) // 2
        self.assertEqual((await self.write(path, 0, raw[:half])).headers["upload-offset"], str(half))
        self.assertEqual((await self.tus("HEAD", path)).headers["upload-offset"], str(half))
        self.assertIsNone((await self.tus("GET", path)).json()["media"])
        self.assertEqual((await self.write(path, half, raw[half:])).status, 204)
        made = (await self.tus("GET", path)).json()["media"]
        self.assertEqual((made["width"], made["height"]), (900, 600))
        self.assertEqual((await self.ask("GET", made["url"])).status, 200)
        said = await self.by_visitor(self.chat, "POST", "/messages", {"files": [made["id"]]})
        self.assertEqual([one["id"] for one in said.json()["message"]["files"]], [made["id"]], said)
        # Whoever lost the answer may still ask.
        self.assertEqual((await self.tus("GET", path)).json()["media"]["id"], made["id"])

    async def test_other_files(self) -> None:
        """A file that is no picture, by its name; what is neither is refused, and refused again."""
        raw = b"one,two\r\n" * 50_000
        path = await self.begin(len(raw), "../numbers.exe", raw[:100])
        self.assertEqual((await self.write(path, 100, raw[100:])).status, 204)
        made = (await self.tus("GET", path)).json()["media"]
        self.assertEqual((made["name"], made["type"], made["url"]), ("numbers.exe.txt", "text/plain", ""))
        bad = await self.begin(5, "page.html")
        self.assertEqual((await self.write(bad, 0, b"<html")).slug, "media-type")
        self.assertEqual((await self.tus("GET", bad)).slug, "media-type")
        await self.application.sites.change(1, "media.pictures", False)
        bad = await self.begin(5, "page.html")
        self.assertEqual((await self.write(bad, 0, b"<html")).slug, "file-type")
        await self.application.sites.change(1, "media.files", False)
        closed = await self.tus("POST", f"{self.path}/uploads", upload_length="5", upload_metadata=named("a.txt"))
        self.assertEqual((closed.status, closed.slug), (403, "no-pictures"))

    async def test_by_operator(self) -> None:
        """By the session of the panel; nobody else goes on with it, and it is the operator's for a message."""
        await self.online(self.ann)
        await self.ann.ask("POST", f"{self.path}/take", {})
        raw = corpus.picture()
        begun = await self.by(self.ann, "POST", f"{self.path}/uploads", upload_length=str(len(raw)))
        self.assertEqual(begun.status, 201, begun)
        path = begun.headers["location"]
        self.assertEqual((await self.by(self.ann, "PATCH", path, raw[:500], upload_offset="0")).status, 204)
        self.assertEqual((await self.by(self.ben, "PATCH", path, raw[500:], upload_offset="500")).slug, "not-found")
        self.assertEqual((await self.write(path, 500, raw[500:])).slug, "not-found")
        self.assertEqual((await self.by(self.ann, "PATCH", path, raw[500:], upload_offset="500")).status, 204)
        made = (await self.by(self.ann, "GET", path)).json()["media"]
        said = await self.ann.ask("POST", f"{self.path}/messages", {"text": "", "files": [made["id"]]})
        self.assertEqual((said.status, len(said.json()["message"]["files"])), (201, 1), said)
        self.assertEqual(self.sql("select account_id is null, visitor_id is null from media"), [(False, True)])

    async def test_told(self) -> None:
        """OPTIONS tells of the protocol, and which headers a page may send."""
        answer = await self.ask("OPTIONS", f"{self.path}/uploads", origin="https://one.example")
        self.assertEqual((answer.status, answer.headers["tus-version"]), (204, "1.0.0"))
        self.assertIn("upload-offset", answer.headers["access-control-allow-headers"])


class RightsTests(UploadCase):
    async def test_strangers(self) -> None:
        """Another conversation's visitor, a visitor of the site, no token, a key: nothing is begun, seen or written."""
        raw = corpus.picture()
        path, name = await self.begin(len(raw), body=raw[:50]), "/uploads/"
        other = await self.start(key="k2")
        elsewhere = f"{CHATS}/{other['chat']}{name}{path.rpartition('/')[2]}"
        before = self.kept()
        for auth, where, status in (
            (f"Bearer {other['token']}", path, 404), (await self.visitor(), path, 404), ("Bearer x", path, 404),
            (f"Bearer {other['token']}", elsewhere, 404), (self.auth, elsewhere, 404),
        ):
            for method, body in (("PATCH", raw[50:]), ("GET", None), ("DELETE", None), ("HEAD", None)):
                answer = await self.tus(method, where, body, auth, upload_offset="50")
                self.assertEqual(answer.status, status, (method, auth, answer))
        self.assertEqual((await self.tus("PATCH", path, raw[50:], upload_offset="50", authorization=None)).status, 401)
        begun = await self.tus("POST", f"{self.path}/uploads", raw, f"Bearer {other['token']}", upload_length="9999")
        self.assertEqual(begun.slug, "chat")
        self.assertEqual(self.kept(), before)
        # Its own visitor under the site's address: that is another place.
        mine = await self.tus("HEAD", path.replace(f"chats/{self.chat['chat']}/", ""), auth=await self.visitor())
        self.assertEqual(mine.status, 404)

    async def test_staff_without_the_role(self) -> None:
        """Staff that does not chat, and pages that are not ours."""
        analyst = await sign_in(self, "analyst", name="Al")
        body = corpus.picture()
        for method, more in (("POST", {"upload_length": "9999"}),):
            answer = await self.by(analyst, method, f"{self.path}/uploads", body, **more)
            self.assertEqual((answer.status, answer.slug), (403, "role"))
            foreign = await self.by(self.ann, method, f"{self.path}/uploads", body, origin="https://a.example", **more)
            self.assertEqual((foreign.status, foreign.slug), (403, "own-origin"))
        self.assertEqual(self.kept(), [(0, 0)])

    async def test_at_the_end(self) -> None:
        """Who was banned meanwhile, whose conversation was closed, who is no operator any more: no file is made."""
        raw = corpus.picture()
        banned = await self.begin(len(raw))
        visitor = self.sql("select visitor_id from upload")[0][0]
        self.sql("insert into ban (site_id, kind, value, who, note) values (1, 'visitor', %s, 'x', '')", str(visitor))
        self.assertEqual((await self.write(banned, 0, raw)).slug, "banned")
        self.sql("delete from ban")
        begun = await self.by(self.ben, "POST", f"{self.path}/uploads", upload_length=str(len(raw)))
        hers = begun.headers["location"]
        self.sql("delete from catalog.membership m using upload u where m.account_id = u.account_id")
        self.assertEqual((await self.by(self.ben, "PATCH", hers, raw, upload_offset="0")).slug, "role")
        closing = await self.begin(len(raw), body=raw[:99])
        await self.by_visitor(self.chat, "POST", "/close", {})
        for answer in (await self.write(closing, 99, raw[99:]), await self.tus("GET", closing)):
            self.assertEqual((answer.status, answer.slug), (409, "chat-closed"))
        # What is under way may be ended.
        self.assertEqual((await self.tus("DELETE", closing)).status, 204)
        self.assertEqual(self.sql("select count(*) from media"), [(0,)])

    async def test_bounds(self) -> None:
        """So many under way of a visitor, and of an operator; so many of a visitor in an hour; so many bytes."""
        for _ in range(10):
            await self.begin(1_000)
        full = await self.tus("POST", f"{self.path}/uploads", upload_length="1000")
        self.assertEqual(full.slug, "uploads-open")
        for _ in range(10):
            await self.by(self.ann, "POST", f"{self.path}/uploads", upload_length="1000")
        full = await self.by(self.ann, "POST", f"{self.path}/uploads", upload_length="1000")
        self.assertEqual(full.slug, "uploads-open")
        self.sql("delete from upload")
        large = await self.tus("POST", f"{self.path}/uploads", upload_length="10485761")
        self.assertEqual(large.slug, "upload-large")
        await self.application.sites.change(1, "media.hourly", 1)
        await self.begin(1_000)
        self.assertEqual((await self.tus("POST", f"{self.path}/uploads", upload_length="9")).slug, "media-hourly")


class CutTests(UploadCase):
    async def wire(self, path: str, auth: str, at: int, length: int) -> Wire:
        """A connection on which the head of a part was sent."""
        made = await connectProtocol(TCP4ClientEndpoint(clock, "127.0.0.1", self.port), Wire())
        made.say(
            f"PATCH {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: {auth}\r\ntus-resumable: 1.0.0\r\n"
            f"content-type: {PART}\r\nupload-offset: {at}\r\ncontent-length: {length}\r\n\r\n".encode()
        )
        return made

    async def test_cut_and_gone_on(self) -> None:
        """What came before a cut is kept, byte for byte, and the rest completes the file."""
        raw = noise()
        path, half = await self.begin(len(raw)), len(raw) // 2
        wire = await self.wire(path, self.auth, 0, len(raw))
        wire.say(raw[:half])
        for _ in range(1_000):
            if self.kept()[0][0] >= half - incoming.PIECE:
                break
            await deferLater(clock, 0.02)
        wire.cut()
        await wire.lost
        at = int((await self.tus("HEAD", path)).headers["upload-offset"])
        self.assertGreater(at, half - incoming.PIECE)
        self.assertLessEqual(at, half)
        self.assertEqual((await self.write(path, at, raw[at:])).status, 204)
        self.assertEqual((await self.tus("GET", path)).json()["media"]["width"], 700)
        self.assertEqual(self.sql("select encode(hash, 'hex') from media"), [(corpus.digest(raw),)])

    async def test_stranger_is_refused_at_once(self) -> None:
        """Whoever has another token is told before the body has come, and nothing of it is kept."""
        path = await self.begin(5_000_000)
        wire = await self.wire(path, "Bearer chat.x", 0, 5_000_000)
        wire.say(b"a" * 10)
        self.assertIn(b" 404 ", (await wire.lost).partition(b"\r\n")[0])
        self.assertEqual(self.kept(), [(0, 0)])
