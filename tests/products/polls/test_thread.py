"""Polls as pages for search engines: what stands there, and that hidden results don't."""

from __future__ import annotations

from tests.api.common import Answer
from tests.products.polls.test_hiding import VOTES, HiddenCase
from tests.support.search_rules import Page


class ThreadTests(HiddenCase):
    """Each page is looked at as it came."""

    async def page(self, poll: str, part: str = "", query: str = "", site: int = 1) -> Answer:
        """A page of the poll; checked: well nested, no form, no structured data."""
        answer = await self.ask("GET", f"/threads/{site}{part}?widget=Poll&poll={poll}{query}")
        page = Page(answer.body.decode())
        self.assertEqual((page.wrong, page.forms, page.data), ([], [], []))
        self.assertNotIn("<script", answer.body.decode())
        return answer

    def words(self, answer: Answer) -> str:
        """Its text."""
        self.assertEqual(answer.status, 200, answer)
        return Page(answer.body.decode()).text

    async def test_page(self) -> None:
        """Question, description, options and numbers, escaped, in the language asked for; a vote changes it at once."""
        options = [{"text": "<b>red</b>"}, {"text": "green"}, {"text": "</li><script>"}]
        poll = await self.make(question="Which <i>colour</i>?", description='Say "it" & go', options=options)
        await self.vote(await self.visitor(), poll, "1")
        first = await self.page(poll)
        self.assertNotIn("x-robots-tag", first.headers)
        text = self.words(first)
        for one in ("Which <i>colour</i>?", 'Say "it" & go', "<b>red</b>", "</li><script>", "1 vote · 100 %"):
            self.assertIn(one, text)
        self.assertNotIn("<i>colour", first.body.decode())
        self.assertIn("hit", (await self.page(poll)).headers["cache-status"])
        await self.vote(await self.visitor(), poll, "2")
        text = self.words(await self.page(poll))
        self.assertIn("1 vote · 50 %", text)
        self.assertIn("2 voters", text)
        german = await self.page(poll, query="&lang=de")
        self.assertIn('<html lang="de" dir="ltr">', german.body.decode())
        self.assertIn("1 Stimme", self.words(german))
        part = await self.page(poll, "/fragment", "&url=https://one.example/x")
        self.assertEqual(part.headers["x-robots-tag"], "noindex")
        self.assertNotIn("<html", part.body.decode())
        self.assertEqual(self.words(part).count("Which <i>colour</i>?"), 1)
        self.assertEqual(text.count("Which <i>colour</i>?"), 2, "title and heading")
        whole = await self.page(poll, query="&url=https://one.example/x")
        self.assertEqual(Page(whole.body.decode()).relation("canonical"), "https://one.example/x")
        for url in ("https://evil.example/x", "javascript:alert(1)", "x" * 5000):
            whole = await self.page(poll, query=f"&url={url}")
            self.assertEqual((whole.status, Page(whole.body.decode()).relation("canonical")), (200, ""), url[:40])

    async def test_results(self) -> None:
        """Hidden numbers stand nowhere; with the poll's end those stand there that everybody may see."""
        for results, closed in (("voted", True), ("closed", True), ("staff", False)):
            for kind in ("single", "ranked"):
                poll = await self.make(results=results, kind=kind, quota=0)
                before = self.words(await self.page(poll))
                await self.cast(poll)
                for part in ("", "/fragment"):
                    answer = await self.page(poll, part)
                    self.assertFalse(self.seen(answer.body), (results, kind))
                    self.assertNotRegex(self.words(answer), "wins|votes|%")
                self.assertEqual(self.words(await self.page(poll)), before)
                await self.change(poll, 1, closed=True)
                text = self.words(await self.page(poll))
                self.assertIn("Closed", text)
                self.assertEqual(f"{VOTES[0]} votes" in text, closed, (results, kind))
                self.assertEqual("red wins" in text, closed and kind == "ranked", (results, kind))

    async def test_answers(self) -> None:
        """A quiz keeps its answer until it is closed; options that were proposed are not told before they are taken."""
        options = [{"text": "one"}, {"text": "two", "correct": True}]
        quiz = await self.make(kind="quiz", options=options, explanation="canary because")
        text = self.words(await self.page(quiz))
        self.assertNotRegex(text, "canary|Right answer")
        await self.change(quiz, 1, closed=True)
        text = self.words(await self.page(quiz))
        self.assertIn("canary because", text)
        self.assertEqual(text.count("Right answer"), 1)
        poll = await self.make(write_in=True)
        done = await self.ask("POST", f"/api/v1/sites/1/polls/{poll}/options", {"text": "canary"},
                              authorization=await self.visitor())  # fmt: skip
        self.assertEqual(done.status, 201, done)
        self.assertNotIn("canary", self.words(await self.page(poll)))
        film = [{"video": "https://youtu.be/dQw4w9WgXcQ"}, {"video": "https://vimeo.com/76979871"}]
        text = self.words(await self.page(await self.make(options=film)))
        self.assertIn("https://youtu.be/dQw4w9WgXcQ", text)
        self.assertIn("https://vimeo.com/76979871", text)

    async def test_refused(self) -> None:
        """Other sites' polls, polls that are not there, and what is no number, are pages with a status; so are private
        sites."""
        poll = await self.make(question="canary?")
        for query, status in (
            (f"/threads/2?widget=Poll&poll={poll}", 404), ("/threads/1?widget=Poll&poll=999999", 404),
            ("/threads/1?widget=Poll", 400), ("/threads/1?widget=Poll&poll=x", 404),
            (f"/threads/1?widget=Poll&poll={'9' * 30}", 404), ("/threads/1?widget=Poll&poll=%ff", 400),
            ("/threads/1/sitemap.xml?widget=Poll", 404), (f"/threads/1/write?widget=Poll&poll={poll}", 404),
        ):  # fmt: skip
            answer = await self.ask("GET", query)
            self.assertEqual(answer.status, status, (query, answer))
            self.assertNotIn("canary", answer.body.decode())
        await self.application.sites.change(1, "private", True)
        answer = await self.page(poll)
        self.assertEqual(answer.status, 401)
        self.assertNotIn("canary", answer.body.decode())
