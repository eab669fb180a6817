"""The loader: the calls that pages make, several servers, several widgets."""

from __future__ import annotations

import json
from urllib.parse import quote

from cackled.domain.page_keys import fit, page_key
from tests.support.browser import MockCase


class LoaderTests(MockCase):
    def config(self, page, servers: list[dict]) -> None:
        """Serve widget.js with other servers in its configuration."""

        def change(route) -> None:
            body = route.fetch().text()
            route.fulfill(
                body=body.replace('"servers":[{"url":"","weight":1}]', '"servers":' + json.dumps(servers)),
                content_type="text/javascript",
            )

        page.route("**/widget.js", change)

    def test_string_id_and_twice(self) -> None:
        """An id as a string, and the script inserted twice: one widget, one request."""
        self.seed("Once")
        page = self.plain(
            "o=" + quote('{"id": "1"}'),
            script="""
            addEventListener('DOMContentLoaded', () => {
                const s = document.createElement('script'); s.src = '/widget.js'; document.head.append(s); });
        """,
        )
        page.wait_for_timeout(500)
        self.soon(lambda: self.assertEqual(self.texts(page), ["Once"]))
        self.soon(lambda: self.assertEqual(len([line for line in self.steer()["log"] if "bootstrap" in line]), 1))

    def test_pushed_later(self) -> None:
        """A widget pushed after the script has run is mounted, in the container it names."""
        self.seed("Elsewhere", channel="other")
        page = self.plain()
        page.evaluate("""() => { const n = document.createElement('div'); n.id = 'second'; document.body.append(n);
            cackle_widget.push({widget: 'Comment', id: 1, channel: 'other', container: 'second'}); }""")
        page.wait_for_selector("#second >> text=Elsewhere")
        self.soon(lambda: self.assertEqual(page.locator(".mc-root").count(), 2))

    def test_single_page_app(self) -> None:
        """Cackle.bootstrap(true) with a new array replaces the widget and its live line."""
        self.seed("First page", channel="one")
        self.seed("Second page", channel="two")
        page = self.plain("channel=one")
        page.wait_for_selector("text=First page")
        page.evaluate(
            "() => { window.cackle_widget = []; cackle_widget.push({widget: 'Comment', id: 1, channel: 'two'});"
            " Cackle.bootstrap(true); }"
        )
        page.wait_for_selector("text=Second page")
        self.soon(lambda: self.assertEqual(self.texts(page), ["Second page"]))
        page.wait_for_timeout(600)
        self.seed({"text": "Live on the second", "live": True}, channel="two")
        page.wait_for_selector("text=Live on the second")
        # The first page's channel is let go.
        for _ in range(60):
            if self.steer()["clients"] == {"one": 0, "two": 1}:
                break
            page.wait_for_timeout(100)
        self.assertEqual(self.steer()["clients"], {"one": 0, "two": 1})
        page.evaluate("() => { Cackle.bootstrap(true); }")
        page.wait_for_selector("text=Second page")
        self.soon(lambda: self.assertEqual(len(self.texts(page)), 2))

    def test_channels(self) -> None:
        """What is sent for a channel: what is named, else the address without its fragment and what advertising adds;
        with options, or where it is long, lib/key.js says what.
        """
        page = self.plain()
        made = page.evaluate("""() => [
            {channel: 7}, {url: 'https://a.example/p?x=1&utm_source=m&y=2&fbclid=3#frag'}, {url: '/p?utm_source=m'},
            {url: 'https://a.example/' + 'p'.repeat(2000)}, {chanParam: 'y'}, {chanHost: true}, {canonical: true}
            ].map(Cackle.channel)""")
        self.assertEqual(
            made,
            [{"channel": "7"}, {"url": "https://a.example/p?x=1&&y=2&"}, {"url": f"{self.base}/p?"}, 0, 0, 0, 0],
        )
        made = page.evaluate("""() => Cackle.lazy('rare.js').then(() => {
            document.head.append(Object.assign(document.createElement('link'), {rel: 'canonical', href: '/canon/'}));
            return [
                {channel: 7}, {url: 'https://a.example/p?x=1#f', chanWithoutParams: true},
                {url: 'https://a.example/p?x=1&y=2', chanParam: 'y'}, {url: 'https://a.example/p', chanHost: true},
                {canonical: true}, {url: '/p', canonical: true}, {channel: 'x'.repeat(501)},
                {url: 'https://a.example/' + 'p'.repeat(2000)}].map(Cackle.channel); })""")
        self.assertEqual(
            made,
            [
                {"channel": "7"}, {"url": "https://a.example/p"}, {"url": "https://a.example/p?y=2"},
                {"url": "https://a.example/p", "host": 1}, {"url": f"{self.base}/canon/"}, {"url": f"{self.base}/p"},
                {"channel": fit("x" * 501)}, {"url": "https://a.example" + page_key("/" + "p" * 2000)},
            ],
        )  # fmt: skip

    def test_one_page(self) -> None:
        """A page is one conversation, whatever brought the visitor; its counters count that, live; addresses of 3,000
        letters are told apart.
        """
        key = "/pages/plain.html?bare=1"
        self.seed("Seen by all", channel=key)
        for query in ("bare=1", "bare=1&utm_source=mail", "fbclid=2&bare=1#more", "bare=1&", "bare=1&_ga=3&mc_eid=4"):
            page = self.plain(query)
            page.wait_for_selector("text=Seen by all")
        page.evaluate("""() => {
            const a = document.createElement('a'); a.href = '?bare=1&gclid=1#mc-container'; a.className = 'n';
            document.body.append(a);
            cackle_widget.push({widget: 'CommentCount', id: 1, mult: '{num} in all'}); }""")
        self.until(page, "document.querySelector('.n').textContent === '1 in all'")
        self.seed({"text": "Two", "live": True}, channel=key)
        self.until(page, "document.querySelector('.n').textContent === '2 in all'")
        self.post(page, "Written here")
        self.soon(lambda: self.assertIn("Written here", self.texts(self.plain("bare=1&utm_medium=x"))))
        for end in "ab":
            long = "bare=1&x=" + "y" * 3000 + end
            self.seed("Far away " + end, channel=page_key("/pages/plain.html?" + long))
            page = self.plain(long)
            page.wait_for_selector("text=Far away " + end)
            self.soon(lambda: self.assertEqual(self.texts(page), ["Far away " + end]))

    def test_moved(self) -> None:
        """The conversation of an open page becomes part of another one: the page goes on with that, live."""
        self.seed("Mine", channel="old")
        page = self.plain("channel=old")
        page.wait_for_selector("text=Mine")
        self.until(page, "!!Cackle['later.js']")
        for _ in range(100):
            if self.steer()["clients"].get("old"):
                break
            page.wait_for_timeout(100)
        self.seed("Mine", "Theirs", channel="/p")
        self.steer(tell={"old": ["channel.updated", {"comments": 0, "locked": False, "moved": "/p"}]})
        page.wait_for_selector("text=Theirs")
        for _ in range(100):
            if self.steer()["clients"] == {"old": 0, "/p": 1}:
                break
            page.wait_for_timeout(100)
        self.seed({"text": "Live there", "live": True}, channel="/p")
        page.wait_for_selector("text=Live there")
        self.post(page, "From here")
        self.soon(lambda: self.assertEqual(len(self.texts(self.plain("channel=%2Fp"))), 4))

    def test_failover(self) -> None:
        """A dead server among two: script, data and writes come from the other one."""
        self.seed("From the living")
        context = self.context()
        page = context.new_page()
        self.config(page, [{"url": "http://127.0.0.1:9", "weight": 1000}, {"url": self.base, "weight": 0.0001}])
        page.goto(f"{self.base}/pages/plain.html")
        page.wait_for_selector("text=From the living")
        self.post(page, "And written there")
        self.soon(lambda: self.assertEqual(page.evaluate("Cackle.base()"), self.base))

    def misdirect(self, page, base: str, url: str, seen: list[str]) -> None:
        """Let *base* say that the site lives at *url*."""

        def change(route) -> None:
            seen.append(route.request.url)
            route.fulfill(
                status=421, content_type="application/problem+json", headers={"access-control-allow-origin": "*"},
                body=json.dumps({"type": "https://cackle.dev/problems/other-deployment", "status": 421, "url": url}),
            )  # fmt: skip

        page.route(f"{base}/bootstrap*", change)

    def test_other_deployment(self) -> None:
        """A server that says where the site lives is left for that one: first render, writes and what is live."""
        self.seed("At home")
        home = self.base.replace("127.0.0.1", "localhost")
        page = self.context().new_page()
        seen: list[str] = []
        self.config(page, [{"url": self.base, "weight": 1}, {"url": self.base + "/", "weight": 1}])
        self.misdirect(page, self.base, home, seen)
        page.goto(f"{self.base}/pages/plain.html")
        page.wait_for_selector("text=At home")
        self.post(page, "Written at home")
        self.soon(lambda: self.assertEqual((page.evaluate("Cackle.base()"), len(seen)), (home, 1)))

    def test_sent_in_circles(self) -> None:
        """Two servers that send each other's visitors away are asked once each."""
        home = self.base.replace("127.0.0.1", "localhost")
        page = self.context().new_page()
        seen: list[str] = []
        self.config(page, [{"url": self.base, "weight": 1}])
        self.misdirect(page, self.base, home, seen)
        self.misdirect(page, home, self.base, seen)
        page.goto(f"{self.base}/pages/plain.html")
        self.until(page, "window.Cackle && Cackle.base().includes('localhost')")
        page.wait_for_timeout(500)
        self.assertEqual(len(seen), 2)

    def test_server_that_cant_write(self) -> None:
        """A write that one server answers with 503 goes to another, under the same key; it is there once."""
        self.seed("At home")
        home = self.base.replace("127.0.0.1", "localhost")
        page = self.context().new_page()
        asked: list[tuple[str, str | None]] = []
        self.config(page, [{"url": self.base, "weight": 1}, {"url": home, "weight": 1}])

        def busy(route) -> None:
            if route.request.method == "GET" or route.request.method == "OPTIONS":
                route.continue_()
                return
            asked.append((route.request.url, route.request.headers.get("idempotency-key")))
            first = next(url for url, _ in asked).split("/api/")[0]
            if route.request.url.startswith(first):
                route.fulfill(
                    status=503, body='{"type":"unavailable"}',
                    headers={"Access-Control-Allow-Origin": "*", "Retry-After": "1"},
                )  # fmt: skip
            else:
                route.continue_()

        page.route("**/api/**", busy)
        page.goto(f"{self.base}/pages/plain.html")
        page.wait_for_selector("text=At home")
        self.post(page, "Written elsewhere")
        self.until(page, "!document.querySelector('.mc-retry, .mc-sending')")
        self.soon(lambda: self.assertEqual(self.texts(page).count("Written elsewhere"), 1))
        first = asked[0][0].split("/api/")[0]
        self.soon(lambda: self.assertNotEqual(page.evaluate("Cackle.base()"), first))
        keys = {key for url, key in asked if url.endswith("/comments")}
        self.assertEqual(len(keys), 1)

    def test_all_servers_cant_write(self) -> None:
        """Where none can write each is asked once, and the comment stays with Retry."""
        home = self.base.replace("127.0.0.1", "localhost")
        page = self.context().new_page()
        asked: list[str] = []
        self.config(page, [{"url": self.base, "weight": 1}, {"url": home, "weight": 1}])

        def busy(route) -> None:
            if route.request.method != "POST" or not route.request.url.endswith("/comments"):
                route.continue_()
                return
            asked.append(route.request.url)
            route.fulfill(status=503, body="{}", headers={"Access-Control-Allow-Origin": "*", "Retry-After": "60"})

        page.route("**/api/**", busy)
        page.goto(f"{self.base}/pages/plain.html")
        page.wait_for_selector(".mc-header")
        page.click(".mc-input")
        page.fill(".mc-input", "Nobody takes it")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector(".mc-retry")
        self.assertEqual(len(set(asked[:2])), 2, asked)

    def test_weights(self) -> None:
        """Servers are drawn by weight, and the draw is kept for the next page."""
        context = self.context()
        page = context.new_page()
        self.config(
            page, [{"url": self.base, "weight": 3}, {"url": self.base.replace("127.0.0.1", "localhost"), "weight": 1}]
        )
        page.goto(f"{self.base}/pages/plain.html")
        page.wait_for_selector(".mc-header")
        first = page.evaluate("Cackle.base()")
        page.reload()
        page.wait_for_selector(".mc-header")
        self.soon(lambda: self.assertEqual(page.evaluate("Cackle.base()"), first))

    def test_no_storage(self) -> None:
        """Where the browser forbids storage and crypto.randomUUID, everything but memory works."""
        page = self.plain(
            script="""
            for (const name of ['localStorage', 'sessionStorage'])
                Object.defineProperty(window, name, {get() { throw new DOMException('no', 'SecurityError'); }});
            delete Crypto.prototype.randomUUID;
        """
        )
        self.post(page, "Without memory")
        self.seed({"text": "Another's", "live": True})
        page.click(".mc-up")
        self.until(page, "[...document.querySelectorAll('.mc-score')].map(n => n.innerText).sort().join() === '0,1'")

    def test_counts(self) -> None:
        """CommentCount writes the numbers of all links with one request."""
        self.seed("1", "2", channel="a")
        self.seed("1", channel="b")
        page = self.plain()
        page.evaluate("""() => { for (const k of ['a', 'b', 'c', 'a']) {
            const a = document.createElement('a'); a.href = '/x#mc-container';
            a.setAttribute('cackle-channel', k); a.className = 'n'; document.body.append(a); }
            cackle_widget.push({widget: 'CommentCount', id: 1, no: 'none', one: '{num} comment',
                mult: '{num} comments'});
            }""")
        self.until(
            page,
            "[...document.querySelectorAll('.n')].map(n => n.textContent).join()"
            " === '2 comments,1 comment,none,2 comments'",
        )
        self.soon(lambda: self.assertEqual(len([line for line in self.steer()["log"] if "/counts" in line]), 1))

    def test_counts_are_live(self) -> None:
        """A counter on the page of a conversation says what the comments below say."""
        self.seed("One")
        page = self.plain()
        page.evaluate("""() => {
            const a = document.createElement('a'); a.href = '/x#mc-container'; a.className = 'n';
            a.setAttribute('cackle-channel', 'plain'); document.body.append(a);
            cackle_widget.push({widget: 'CommentCount', id: 1, mult: '{num} in all'});
            }""")
        self.until(page, "document.querySelector('.n').textContent === '1 in all'")
        self.seed({"text": "Two", "live": True})
        self.until(page, "document.querySelector('.n').textContent === '2 in all'")

    def test_old_globals(self) -> None:
        """Pages from the times of mcSite."""
        self.seed("Ancient", channel="old")
        page = self.plain(
            "o=" + quote('{"widget": "None"}'),
            script="window.mcSite = '1'; window.mcChannel = 'old';",
            wait="text=Ancient",
        )
        self.soon(lambda: self.assertEqual(self.texts(page), ["Ancient"]))

    def test_language_as_many_write_it(self) -> None:
        """``lang="ru_RU"``, which browsers' own functions refuse: words, plurals and numbers are Russian."""
        self.seed("1", "2", "3", "4", "5", channel="a")
        page = self.plain("lang=ru_RU&channel=a")
        self.soon(lambda: self.assertEqual(page.inner_text(".mc-title"), "5 комментариев"))
        page.evaluate("""() => {
            const a = document.createElement('a'); a.href = '/x#mc-container'; a.className = 'n';
            a.setAttribute('cackle-channel', 'b'); document.body.append(a);
            cackle_widget.push({widget: 'CommentCount', id: 1, no: 'none'}); }""")
        self.until(page, "document.querySelector('.n').textContent === 'none'")

    def test_a_widget_that_makes_no_sense(self) -> None:
        """What can't be mounted stops nothing of what was queued behind it."""
        self.seed("Still here", channel="other")
        page = self.plain()
        page.evaluate("""() => { const n = document.createElement('div'); n.id = 'second'; document.body.append(n);
            cackle_widget.push({id: 1}, {widget: 'Comment', id: 1, url: 'http://['},
                {widget: 'Comment', id: 1, channel: 'other', container: 'second'}); }""")
        page.wait_for_selector("#second >> text=Still here")

    def test_two_counters(self) -> None:
        """Two counters on a page, of two ways to name a channel: each has its turn."""
        page = self.plain()
        page.evaluate("""() => {
            const a = document.createElement('a'); a.href = '/x#mc-container'; a.className = 'n';
            document.body.append(a);
            window.cackle_widget.push({widget: 'CommentCount', id: 1, chanWithoutParams: true},
                {widget: 'CommentCount', id: 1, chanParam: 'p'}); }""")
        self.until(page, "document.querySelector('.n').textContent === '0'")
        for _ in range(50):
            asked = [line for line in self.steer()["log"] if "/counts" in line]
            if len(asked) == 2:
                return
            page.wait_for_timeout(100)
        self.fail(str(asked))

    def test_long_addresses(self) -> None:
        """Many links with long addresses: each request is short enough for any server, and all get their number."""
        page = self.plain()
        page.evaluate("""() => { for (let n = 0; n < 40; n++) {
            const a = document.createElement('a'); a.className = 'n';
            const slug = encodeURIComponent('статья-о-том-как-все-было-на-самом-деле-');
            a.href = 'https://one.example/' + slug + n + '#mc-container';
            document.body.append(a); }
            cackle_widget.push({widget: 'CommentCount', id: 1, no: 'none'}); }""")
        self.until(page, "[...document.querySelectorAll('.n')].every(n => n.textContent === 'none')")
        asked = [line for line in self.steer()["log"] if "/counts" in line]
        self.assertLess(max(map(len, asked)), 6000)

    def test_bundle_unreachable(self) -> None:
        """The server goes away between the loader and its files: the comments come when it is back."""
        self.seed("At last")
        page = self.context().new_page()
        page.route("**/comments.js", lambda route: route.abort())
        page.clock.install()
        page.goto(f"{self.base}/pages/plain.html")
        page.wait_for_timeout(300)
        for _ in range(3):
            page.clock.run_for(5000)
            page.wait_for_timeout(200)
        page.unroute("**/comments.js")
        end = 60
        while not page.query_selector(".mc-c") and end:
            page.clock.run_for(5000)
            page.wait_for_timeout(200)
            end -= 1
        self.soon(lambda: self.assertEqual(self.texts(page), ["At last"]))


class DevelTests(MockCase):
    env = "devel"

    def test_sources(self) -> None:
        """The sources one by one make the same widget."""
        page = self.plain()
        self.post(page, "From the sources")
        self.soon(lambda: self.assertEqual(self.texts(page), ["From the sources"]))
