"""Files that are no pictures: which are taken, what they are called, and who can have them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from cackled.domain.pictures import own_pictures
from cackled.media.attachments import ENDINGS, PDF, TEXT, disposition, kind_of, name_of
from cackled.media.sweeping import Sweeping
from tests.api.common import ORIGIN, Answer
from tests.media import corpus
from tests.media.test_media import MediaCase

PAPER = b"%PDF-1.7\n1 0 obj <<>> endobj\ntrailer <<>>\n%%EOF\n"
OTHERS = {
    "empty": b"", "blank": b" \n", "page": b"\xef\xbb\xbf \n<!doctype html><script>1</script>", "svg": corpus.SVG,
    "script": corpus.SCRIPT, "program": b"MZ\x90\x00\x03", "elf": b"\x7fELF\x02\x01", "archive": b"PK\x03\x04rest",
    "zipped": b"\x1f\x8b\x08\x00", "latin": "Gr\u00fc\u00dfe".encode("latin-1"), "utf-16": "words".encode("utf-16"),
    "cut": PAPER[:20], "late": b"x" + PAPER.replace(b"%%EOF", b"\0"), "nul": b"words\0words", "escape": b"a\x08b",
    "comment": b"<!-- a --><p>", "elements": b"\n\t<P onclick=1>",
}  # fmt: skip


class KindTests(SynchronousTestCase):
    """By contents alone."""

    def test_kinds(self) -> None:
        """PDF and plain text; nothing that runs, nothing that holds others."""
        self.assertEqual([kind_of(PAPER), kind_of("Gr\u00fc\u00dfe, 1 < 2\n".encode()), kind_of(b'{"a": 1}')],
                         [PDF, TEXT, TEXT])  # fmt: skip
        for name, raw in OTHERS.items():
            self.assertIsNone(kind_of(raw), name)
        for name, (raw, _) in corpus.REFUSED.items():
            self.assertNotIn(kind_of(raw), (PDF,), name)

    def test_names(self) -> None:
        """What a name keeps, and what it ends with."""
        for told, kind, kept in (
            ("bill.pdf", PDF, "bill.pdf"), ("../../etc/passwd", TEXT, "passwd.txt"), ("C:\\a\\b.PDF", PDF, "b.PDF"),
            ("a.html", TEXT, "a.html.txt"), ("x.exe", PDF, "x.exe.pdf"), ("", TEXT, "file.txt"),
            ("...", PDF, "file.pdf"), (".txt", TEXT, "txt.txt"), ("annex\u202efdp.exe", PDF, "annexfdp.exe.pdf"),
            ('a"b\r\nc.csv', TEXT, "a bc.csv"),
            ("Gr\u00fc\u00dfe \u2013 \u65e5\u672c.pdf", PDF, "Gr\u00fc\u00dfe \u2013 \u65e5\u672c.pdf"),
        ):
            self.assertEqual(name_of(told, kind), kept, told)
        self.assertEqual(
            disposition("Gr\u00fc\u00dfe \u2013 2.pdf"),
            b"attachment; filename=\"Grue 2.pdf\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe%20%E2%80%93%202.pdf".replace(
                b"Grue 2", b"Grue  2"
            ),
        )

    @given(st.text(max_size=300), st.sampled_from((PDF, TEXT)))
    def test_any_name(self, told: str, kind: str) -> None:
        """Whatever it is called: one line of a header, an ending of its kind, and the same when named again."""
        name = name_of(told, kind)
        header = disposition(name)
        self.assertRegex(header, rb"""^attachment; filename="[A-Za-z0-9 ._()+,=@-]+"; filename\*=UTF-8''[!-~]+$""")
        self.assertTrue(name.lower().endswith(ENDINGS[kind]) and not name.startswith("."), name)
        self.assertEqual(name_of(name, kind), name)


class ChatFileTests(MediaCase):
    """Over the API."""

    async def setUp(self) -> None:
        await super().setUp()
        await self.application.sites.change(1, "media.files", True)
        await self.application.sites.change(1, "chat.enabled", True)
        self.chat, self.token = await self.begun(self.auth)

    async def begun(self, auth: str) -> tuple[str, str]:
        """A new conversation, and its token."""
        answer = await self.ask(
            "POST", "/api/v1/sites/1/chats", {"key": "k", "text": "Hello"}, authorization=auth, origin=ORIGIN
        )
        self.assertEqual(answer.status, 201, answer)
        return answer.json()["chat"], f"Bearer {answer.json()['token']}"

    async def put(self, raw: bytes, name: str = "bill.pdf", token: str | None = None) -> Answer:
        """Send a file."""
        return await self.ask(
            "POST", f"/api/v1/sites/1/chats/{self.chat}/files?name={quote(name)}", raw,
            content_type="application/octet-stream", authorization=token or self.token, origin=ORIGIN,
        )  # fmt: skip

    async def said(self, *files: str) -> dict[str, Any]:
        """A message with files."""
        answer = await self.ask(
            "POST", f"/api/v1/sites/1/chats/{self.chat}/messages", {"text": "", "files": list(files)},
            authorization=self.token, origin=ORIGIN,
        )  # fmt: skip
        self.assertEqual(answer.status, 201, answer)
        return answer.json()

    async def address(self, number: str, token: str | None = None, chat: str = "") -> Answer:
        """Where a file is."""
        return await self.ask(
            "GET", f"/api/v1/sites/1/chats/{chat or self.chat}/files/{number}", authorization=token or self.token,
            origin=ORIGIN,
        )  # fmt: skip

    async def test_sent_and_saved(self) -> None:
        """Sent with a message, and saved by whoever is in the conversation, at an address that others can't make."""
        made = (await self.put(PAPER, "R\u00e9sum\u00e9.pdf")).json()
        self.assertEqual((made["name"], made["type"], made["bytes"]), ("R\u00e9sum\u00e9.pdf", PDF, len(PAPER)))
        await self.said(made["id"])
        listed = await self.ask(
            "GET", f"/api/v1/sites/1/chats/{self.chat}/messages", authorization=self.token, origin=ORIGIN
        )
        self.assertEqual(listed.json()["messages"][-1]["files"][0]["name"], "R\u00e9sum\u00e9.pdf")
        url = (await self.address(made["id"])).json()["url"]
        for method in ("GET", "HEAD"):
            saved = await self.ask(method, url)
            self.assertEqual((saved.status, saved.body), (200, PAPER if method == "GET" else b""))
            self.assertEqual(
                (saved.headers["content-type"], saved.headers["x-content-type-options"]), (PDF, "nosniff")
            )
            self.assertIn("filename*=UTF-8''R%C3%A9sum%C3%A9.pdf", saved.headers["content-disposition"])
            self.assertTrue(saved.headers["content-disposition"].startswith("attachment;"))
            self.assertIn("sandbox", saved.headers["content-security-policy"])
            self.assertNotIn("access-control-allow-origin", saved.headers)
        # Nowhere else, and nothing else.
        number, sign = url.split("/")[2:]
        picture = (await self.put(corpus.picture(), "a.jpg")).json()["id"]
        for path in (f"/media/{number}/file", f"/media/{number}/{sign}/file", f"/files/{number}", f"/files/{number}/x",
                     f"/files/{number}/0{sign[1:]}", f"/files/2{number[1:]}/{sign}", f"/files/{picture}/{sign}",
                     url + "/x"):  # fmt: skip
            self.assertEqual((await self.ask("GET", path)).status, 404, path)

    async def test_not_of_others(self) -> None:
        """Another conversation's visitor gets no address, and can't show the file."""
        made = (await self.put(PAPER)).json()
        other, token = await self.begun(await self.visitor())
        self.assertEqual((await self.address(made["id"], token)).slug, "chat")
        self.assertEqual((await self.address(made["id"], token, other)).slug, "message")
        await self.said(made["id"])
        self.assertEqual((await self.address(made["id"], token, other)).slug, "message")
        self.assertEqual((await self.address("1-" + "x" * 22)).slug, "message")
        self.assertEqual((await self.address("x")).slug, "message")
        # Comments and reviews take pictures alone.
        own = (await self.put(PAPER + b"%%EOF")).json()["id"]
        failing = own_pictures(self.application.database, self.site, int(self.mine["visitor"]), "", [own])
        with self.assertRaises(Exception) as caught:
            await failing
        self.assertEqual(caught.exception.slug, "media-unknown")  # type: ignore[attr-defined]

    async def test_refused(self) -> None:
        """Other types, without a name, where the site takes none; pictures stay pictures."""
        for name, raw in OTHERS.items():
            if raw:
                self.assertEqual((await self.put(raw, f"{name}.pdf")).slug, "media-type", name)
        self.assertEqual((await self.put(PAPER, "")).slug, "media-type")
        self.assertEqual((await self.put(corpus.picture(), "a.pdf")).json()["width"], 400)
        await self.application.sites.change(1, "media.pictures", False)
        self.assertEqual((await self.put(corpus.picture(), "a.pdf")).slug, "file-type")
        self.assertEqual((await self.put(PAPER)).status, 201)
        await self.application.sites.change(1, "media.files", False)
        self.assertEqual((await self.put(PAPER)).slug, "no-pictures")

    async def test_gone_with_the_message(self) -> None:
        """With its message a file is nobody's, and with its sender it goes; its bytes too."""
        made = (await self.put(b"words of a file", "a.txt")).json()
        await self.said(made["id"])
        url = (await self.address(made["id"])).json()["url"]
        self.assertEqual((await self.ask("GET", url)).body, b"words of a file")
        self.assertEqual(self.files(), 1)
        await self.application.erasures.erase(1, int(self.mine["visitor"]))
        self.assertEqual(self.sql("select count(*) from media"), [(0,)])
        self.assertEqual((await self.ask("GET", url)).status, 404)
        self.sql("update media_gone set since = now() - interval '2 hours'")
        self.assertEqual((await self.application.shared[Sweeping].sweep(), self.files()), (1, 0))
