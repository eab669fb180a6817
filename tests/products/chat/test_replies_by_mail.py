"""Answers by mail: what is taken of a letter, and what the server that delivers it hears."""

from __future__ import annotations

from email.message import EmailMessage
from io import BytesIO
from typing import Any
from unittest.mock import patch

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol
from twisted.trial.unittest import SynchronousTestCase

from cackled.database.errors import Unavailable
from cackled.products.chat.letters_read import read_letter, without_quotes
from cackled.products.chat.replies_by_mail import HOURLY, MOST_PIECES, MailReplies
from cackled.products.chat.resuming import Resuming
from tests.products.chat.common import ChatCase

PLAIN = b"Message-ID: <%d@x>\nSubject: x\n\n%s\n"


class Line(Protocol):
    """A client that says one line at a time."""

    def __init__(self) -> None:
        self._got = b""
        self._waits: tuple[int, Deferred[list[bytes]]] | None = None

    def dataReceived(self, data: bytes) -> None:
        self._got += data
        self._look()

    def _look(self) -> None:
        ends = [one for one in self._got.split(b"\r\n")[:-1] if one[3:4] != b"-"]
        if self._waits is not None and len(ends) >= self._waits[0]:
            (_, done), self._waits, self._got = self._waits, None, b""
            done.callback(ends)

    async def say(self, data: bytes, answers: int = 1) -> list[bytes]:
        """The answers to *data*."""
        assert self.transport is not None
        done: Deferred[list[bytes]] = Deferred()
        self._waits = (answers, done)
        if data:
            self.transport.write(data + b"\r\n")
        self._look()
        return await done


class RepliesCase(ChatCase):
    """A conversation whose visitor has an address, and the server that answers to it come to."""

    timeout = 300

    async def setUp(self) -> None:
        await super().setUp()
        from twisted.internet import reactor

        from cackled.products.chat.smtp_replies import make_factory

        self.reactor: Any = reactor
        self.chat = await self.start(mail="vi@example.org")
        links = self.application.shared[Resuming].links
        self.replies = MailReplies(
            self.application.sites, self.application.database, links, reactor, "chat@cackled.example", "127.0.0.1", 0
        )
        mark = await links.mark(f"chat-mail 1 {self.chat['chat']} 0")
        self.address = f"chat+1.{self.chat['chat']}.{mark}@cackled.example"
        self.letterbox = self.reactor.listenTCP(0, make_factory(self.replies), interface="127.0.0.1")
        self.addCleanup(self.letterbox.stopListening)

    async def deliver(self, to: str, text: bytes) -> Any:
        """The code that a letter is answered by; 1: it was taken."""
        from twisted.mail import smtp

        done: Deferred[Any] = Deferred()
        lost: Deferred[None] = Deferred()

        class Factory(smtp.SMTPSenderFactory):
            def clientConnectionLost(self, connector: Any, error: Any) -> None:
                super().clientConnectionLost(connector, error)
                lost.callback(None)

        factory = Factory("vi@example.org", to, BytesIO(text), done, retries=0)
        self.reactor.connectTCP("127.0.0.1", self.letterbox.getHost().port, factory)
        try:
            return (await done)[0]
        except smtp.SMTPClientError as error:
            return error.code
        finally:
            await lost

    async def said(self) -> list[str]:
        """What was said by mail."""
        rows = self.sql("select text from chat_message where key like 'mail:%' order by seq, id")
        return [one for (one,) in rows]


class ServerTests(RepliesCase):
    """Over a socket."""

    async def test_taken(self) -> None:
        """Who is unknown is refused, a letter that is too long as well; a right one is taken."""
        self.assertEqual(await self.deliver("chat+1.1.aaaaaaaaaaaaaaaa@cackled.example", PLAIN % (1, b"x")), 550)
        long = PLAIN % (2, (b"y" * 500 + b"\n") * 3_000)
        self.assertIn(await self.deliver(self.address, long), (552, 500))
        self.assertEqual(await self.deliver(self.address, PLAIN % (3, b"By mail\n.dots")), 1)
        self.assertEqual(await self.said(), ["By mail\n.dots"])

    async def test_not_now(self) -> None:
        """Without a database a letter is to be sent again, not given back; then it is said once."""
        letter = PLAIN % (1, b"Still here")
        with patch.object(MailReplies, "_say", side_effect=Unavailable("away")):
            self.assertEqual(await self.deliver(self.address, letter), 451)
        for _ in range(2):
            self.assertEqual(await self.deliver(self.address, letter), 1)
        self.assertEqual(await self.said(), ["Still here"])

    async def test_refused(self) -> None:
        """What can't be said there is given back, with a line in place of a traceback."""
        self.assertEqual(await self.deliver(self.address, PLAIN % (1, b"\x01\n")), 554)
        self.assertEqual(await self.deliver(self.address, PLAIN % (2, b"a line of words\n" * 30_000)), 554)
        self.assertEqual(self.flushLoggedErrors(), [])
        self.assertEqual(await self.said(), [])

    async def test_loop(self) -> None:
        """Machines that answer each other and don't say so are told to come later after some letters."""
        for number in range(HOURLY):
            self.assertEqual(await self.deliver(self.address, PLAIN % (number, b"I am away %d" % number)), 1)
        self.assertEqual(await self.deliver(self.address, PLAIN % (HOURLY, b"I am away")), 451)
        again = await self.deliver(self.address, PLAIN % (0, b"I am away 0"))
        self.assertEqual(again, 1, "one that was taken is no new one")
        self.sql("update chat_message set created_at = created_at - interval '2 hours'")
        self.assertEqual(await self.deliver(self.address, PLAIN % (HOURLY, b"I am back")), 1)
        self.assertEqual(len(await self.said()), HOURLY + 1)

    async def test_lmtp(self) -> None:
        """A server that delivers by LMTP hears of each recipient, of letters that are too long, too."""
        line = await connectProtocol(
            TCP4ClientEndpoint(self.reactor, "127.0.0.1", self.letterbox.getHost().port), Line()
        )
        assert line.transport is not None
        self.addCleanup(line.transport.loseConnection)
        to = f"RCPT TO:<{self.address}>".encode()
        await line.say(b"")
        self.assertEqual([one[:3] for one in await line.say(b"LHLO mx.example")], [b"250"])
        long = b"\r\n".join([b"y" * 900] * 1_200)
        for body, code in ((b"Hello", b"250"), (long, b"552"), (b"\x01", b"554")):
            await line.say(b"MAIL FROM:<vi@example.org>")
            for _ in range(2):
                self.assertEqual((await line.say(to))[0][:3], b"250")
            self.assertEqual((await line.say(b"RCPT TO:<chat+1.1.aaaaaaaaaaaaaaaa@cackled.example>"))[0][:3], b"550")
            self.assertEqual((await line.say(b"DATA"))[0][:3], b"354")
            letter = b"Message-ID: <%d@x>\r\n\r\n%s\r\n." % (len(body), body)
            self.assertEqual([one[:3] for one in await line.say(letter, 2)], [code] * 2)
            self.assertEqual(await self.said(), ["Hello"])
        self.assertEqual(self.flushLoggedErrors(), [])


class LetterTests(RepliesCase):
    """What becomes of a letter."""

    async def test_long(self) -> None:
        """A long letter is several messages, and nothing of it is lost."""
        await self.application.sites.change(1, "chat.max_length", 500)
        words = "\n".join(f"line {number} of a long letter" for number in range(100))
        self.assertEqual(await self.deliver(self.address, PLAIN % (1, words.encode())), 1)
        said = await self.said()
        self.assertEqual("\n".join(said), words)
        self.assertTrue(all(len(one) <= 500 for one in said))
        self.assertEqual(await self.deliver(self.address, PLAIN % (2, b"z" * 500 * (MOST_PIECES + 1))), 554)

    async def test_files(self) -> None:
        """Files are not taken, and operators are told of them: of a letter that has nothing else, too."""
        for words, said in (("See here", ["See here"]), ("", [])):
            letter = EmailMessage()
            letter["Message-ID"] = f"<{len(words)}@x>"
            letter.set_content(words)
            letter.add_attachment(b"x", maintype="application", subtype="pdf", filename="a\r\n\u202econtract.pdf")
            self.sql("delete from chat_message where key like 'mail:%'")
            self.assertEqual(await self.deliver(self.address, letter.as_bytes()), 1)
            told = await self.said()
            self.assertEqual(told[:-1], said)
            self.assertRegex(told[-1], r"^Files that came with this letter .*: .*contract\.pdf$")
            self.assertNotIn("\u202e", told[-1])


class QuoteTests(SynchronousTestCase):
    """What somebody wrote, without what they answer to."""

    def test_cut(self) -> None:
        """As mail programs quote."""
        for words, said in (
            ("Yes\n\nOn Mon, Ann wrote:\n> No\n> No\n", "Yes"),
            ("Yes\n\nOn Mon, 1 Jan 2026 at 10:00, Ann\n<ann@example.org> wrote:\n\n> No\n", "Yes"),
            ("Ja\n\n-----Ursprüngliche Nachricht-----\nVon: Ann\nNein", "Ja"),
            ("Oui\n________________________________\nDe : Ann\n", "Oui"),
            ("Yes\n\nFrom: Ann <a@example.org>\nSent: Monday\nTo: Vi\nSubject: x\n\nNo", "Yes"),
            ("Ja\n\n*Von:* Ann\n*Gesendet:* Montag\n*An:* Vi\n\nNein", "Ja"),
            ("はい\n\n差出人: Ann\n送信日時: 月曜日\n宛先: Vi\n\nいいえ", "はい"),
            # Nobody's quote.
            ("From: Berlin\nTo: Hamburg\nby train", "From: Berlin\nTo: Hamburg\nby train"),
            ("Von: dem Tag an war es kaputt", "Von: dem Tag an war es kaputt"),
            ("a\n---\nb", "a\n---\nb"),
            ("> No\n\nBelow\n", "Below"),
            ("Yes\n-- \nVi\n", "Yes"),
            ("Two:\nlines\n", "Two:\nlines"),
            ("", ""),
            (">\n", ""),
        ):
            self.assertEqual(without_quotes(words), said, words)

    def html(self, body: str) -> str:
        """The words of a letter that has HTML alone."""
        found = read_letter(b"Content-Type: text/html; charset=utf-8\r\n\r\n" + body.encode())
        assert found is not None
        return found.words

    def test_html(self) -> None:
        """Of a letter that has HTML alone, its text; scripts and quotes are none, nor is whoever is quoted."""
        self.assertEqual(
            self.html("<style>x</style><p>Hi <b>there</b></p><script>evil()</script><blockquote>old</blockquote>"),
            "Hi there",
        )
        gmail = (
            "<div dir='ltr'>Thanks!</div><br><div class='gmail_quote'><div>On Mon, 1 Jan 2026 at 10:00, Ann &lt;"
            "a@example.org&gt; wrote:<br></div><blockquote>Hello<blockquote>older</blockquote></blockquote></div>"
        )
        self.assertEqual(self.html(gmail), "Thanks!")
        outlook = "<p>Ja</p><hr><div><b>Von:</b> Ann<br><b>Gesendet:</b> Montag<br><b>An:</b> Vi<br></div><p>Nein</p>"
        self.assertEqual(self.html(outlook), "Ja")
        self.assertEqual(self.html("<blockquote>old</blockquote><p>Below</p>"), "Below")
