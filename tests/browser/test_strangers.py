"""The widget in pages that nobody wrote for it: changed built-in objects, options of any type, owners' mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

from tests.browser.libraries import SCRIPTS, script
from tests.support.browser import MockCase

# What pages did to JavaScript, each in the least words.
CHANGES = {
    "toJSON": """Array.prototype.toJSON = function () { return '[' + this.length + ']'; };
        String.prototype.toJSON = function () { return '"' + this + '"'; };
        Object.prototype.toJSON = function () { return 'object'; };""",
    "Array.from": "Array.from = list => Array.prototype.slice.call(list || []);",
    "enumerable": """Object.prototype.extend = function () {}; Object.prototype.label = 'x';
        Array.prototype.each = function (f) { this.forEach(f); }; Array.prototype.last = 1;""",
    "Promise": """{ const Own = window.Promise;
        window.Promise = function (f) { this.p = new Own(f); };
        Promise.prototype.then = function (a, b) { const q = this.p.then(a, b); return new Promise(r => q.then(r)); };
        Promise.resolve = v => new Promise(r => r(v)); Promise.reject = v => new Promise((_, r) => r(v));
        Promise.all = () => { throw new Error('not here'); };
        const ask = window.fetch;
        window.fetch = (...a) => { const q = ask(...a); return new Promise((r, j) => q.then(r, j)); }; }""",
    "fetch": """{ const ask = window.fetch;
        window.fetch = (url, init) => ({then: (a, b) => ask(url, init).then(a, b)}); }""",
}
PLAIN = (Path(__file__).parent / "pages" / "plain.js").read_text()
COLOURS = {
    "oklch(0.2 0.02 260)": "dark",
    "oklch(0.97 0.01 100)": "light",
    "lab(12% 3 -9)": "dark",
    "lch(95% 5 100)": "light",
    "oklab(0.25 0 0.02)": "dark",
    "color(display-p3 0.08 0.08 0.1)": "dark",
    "color(display-p3 0.97 0.96 0.95)": "light",
    "color(rec2020 0.1 0.1 0.1)": "dark",
    "color(xyz-d65 0.02 0.02 0.02)": "dark",
    "hwb(220 5% 90%)": "dark",
    "hsl(220deg 20% 10%)": "dark",
    "color-mix(in oklch, black 90%, white)": "dark",
    "light-dark(white, black)": "light",
    "oklch(0.2 none none)": "dark",
    "#101010ee": "dark",
    "rebeccapurple": "dark",
    "cornsilk": "light",
}


class StrangersTests(MockCase):
    def told(self, page) -> list[str]:
        """What the widgets say in the console of *page* from now on."""
        said: list[str] = []
        page.on("console", lambda m: said.append(m.text) if m.text.startswith("cackled:") else None)
        return said

    def changed(self, source: str):
        """The plain page with *source* run before anything of ours."""
        context = self.context()
        context.route(
            "**/pages/plain.js",
            lambda route: route.fulfill(body=f"{source}\n;\n{PLAIN}", content_type="text/javascript"),
        )
        return context

    def converse(self, source: str) -> None:
        """Reading, posting, a post that fails and outlives a reload, votes and live events."""
        self.seed("There before")
        context = self.changed(source)
        page = self.page(f"{self.base}/pages/plain.html", context=context)
        self.post(page, 'Said "here" [1, 2]')
        self.steer(fail=[{"path": "/comments", "method": "POST", "status": 503, "times": 9}])
        page.click(".mc-input")
        page.fill(".mc-input", "Said later")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector(".mc-retry")
        page.reload()
        page.wait_for_selector(".mc-retry")
        self.steer(clear=True)
        # It may go out by itself, or have been on its way, to be refused, when the server changed its mind.
        self.until(
            page,
            "() => { const retry = document.querySelector('.mc-retry'); if (retry) retry.click();"
            " return !document.querySelector('.mc-retry, .mc-sending'); }",
        )
        self.seed({"text": "Said by another", "live": True})
        self.until(page, "[...document.querySelectorAll('.mc-text')].some(n => n.innerText.includes('by another'))")
        page.click(".mc-up >> nth=0")
        self.until(page, "[...document.querySelectorAll('.mc-score')].some(n => n.innerText === '1')")
        page.reload()
        page.wait_for_selector(".mc-c")
        self.soon(
            lambda: self.assertEqual(
                sorted(self.texts(page)), ['Said "here" [1, 2]', "Said by another", "Said later", "There before"]
            )
        )
        context.close()

    def test_colours(self) -> None:
        """Any CSS colour tells a dark page from a light one, and the accent of a link is read as well."""
        page = self.plain()
        for colour, want in COLOURS.items():
            page.evaluate("c => { document.body.style.background = c; }", colour)
            self.until(page, "w => document.querySelector('.mc-root').classList.contains('mc-' + w)", want)
        page.evaluate("""() => { document.body.style.background = '#fff'; const s = document.createElement('style');
            s.textContent = 'a { color: oklch(0.45 0.2 25) }'; document.head.append(s);
            document.body.className = 'again'; }""")
        self.until(
            page, "/^rgb\\(1\\d\\d/.test(document.querySelector('.mc-root').style.getPropertyValue('--mc-host'))"
        )

    def test_options_of_any_type(self) -> None:
        """No option's type is trusted: reading and writing work whatever stands there."""
        odd = [5, -1, 7.5, "abc", "", True, [1], {"a": 1}, None, "x" * 3000, "\ud83d", "en-US ", "constructor"]
        names = ["size", "sort", "level", "theme", "lang", "msg", "title", "url", "countContainer", "callback", "renew",
                 "chanParam", "chanWithoutParams", "ratingOff", "html", "token"]  # fmt: skip
        for value in odd:
            options = dict.fromkeys(names, value) | {"channel": "odd"}
            page = self.plain(script=f"window.given = {json.dumps(options)};")
            self.post(page, "Said all the same")
            sent = [line for line in self.steer()["log"] if "/bootstrap" in line][-1]
            self.assertRegex(sent, "[?&]size=(5|7|25)&|[?&]size=(5|7|25)$")
            page.context.close()
            self.steer(reset=True)
        page = self.plain(
            "o=" + quote(json.dumps({"msg": {"title": 5, "join": ["x"], "post": {"one": 1}, "empty": {}}}))
        )
        self.soon(lambda: self.assertEqual(page.inner_text(".mc-title"), "5"))
        self.soon(lambda: self.assertEqual(page.inner_text(".mc-empty"), "No comments yet. Be the first."))

    def test_entries_that_are_none(self) -> None:
        """Whatever was pushed before, a good entry is mounted; the array may be none."""
        self.seed("Mounted", channel="good")
        good = "{widget: 'Comment', id: 1, channel: 'good'}"
        for before in (
            "[undefined, null, 5, 'x', [], {}, () => 1, Symbol('s'), {widget: {}}]",
            "{widget: 'None'}",
            "5",
        ):
            source = f"window.cackle_widget = {before};"
            context = self.context()
            context.route("**/pages/plain.js", lambda route, _, source=source: route.fulfill(body=source))
            page = self.page(f"{self.base}/pages/plain.html", context=context, wait="")
            self.until(page, "!!(window.Cackle && Cackle.bootstrap)")
            page.evaluate(f"() => {{ window.cackle_widget.push(undefined, {good}); }}")
            page.wait_for_selector("text=Mounted")

    def test_fetch_throws(self) -> None:
        """A wrapper of fetch that throws at once is a failure of the network: reading and writing go on after it."""
        self.seed("There before")
        context = self.changed(
            """{ const ask = window.fetch; let asked = 0; window.broken = false;
            window.fetch = (...a) => { if (!asked++ || window.broken) throw new TypeError('not now');
                return ask(...a); }; }"""
        )
        page = self.page(f"{self.base}/pages/plain.html", context=context)
        self.soon(lambda: self.assertEqual(self.texts(page), ["There before"]))
        page.click(".mc-input")
        page.fill(".mc-input", "Said twice")
        self.until(page, "!!localStorage['cackle:1'] && 'token' in JSON.parse(localStorage['cackle:1'])")
        page.evaluate("() => { window.broken = true; }")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector(".mc-retry")
        self.soon(
            lambda: self.assertIn(
                "There is no connection to the server. Your text is safe.", page.inner_text(".mc-acts .mc-error")
            )
        )
        page.evaluate("() => { window.broken = false; }")
        page.click(".mc-retry")
        self.until(page, "!document.querySelector('.mc-retry, .mc-sending')")
        self.soon(lambda: self.assertEqual(sorted(self.texts(page)), ["Said twice", "There before"]))

    def test_stored_by_others(self) -> None:
        """What stands in storage may be of any kind: a page is never dead by it."""
        self.seed("Readable")
        for value in (
            '"[]"',
            "5",
            "[]",
            "{",
            '{"sort": 5, "visitor": {}, "view": []}',
            '[{"key": 1}, null, 7]',
            "null",
            '"x"',
        ):
            page = self.plain(
                script=f"""for (const key of ['1', 'server', 'draft:1:plain:', 'out:1:plain', 'way', 'readonly:1'])
                    for (const store of [localStorage, sessionStorage])
                        if (!store.getItem('seen' + key)) {{ store.setItem('cackle:' + key, {json.dumps(value)});
                            store.setItem('seen' + key, 1); }}"""
            )
            self.soon(lambda: self.assertEqual(self.texts(page)[-1:], ["Readable"], value))
            page.context.close()

    def test_mistakes(self) -> None:
        """An owner's mistakes: one warning each with what to do, and a fitting sentence for the visitor."""
        cases = [
            ({"widget": "Comments"}, ['there is no widget "Comments"', "'Comment'"], ""),
            ({"container": "elsewhere"}, ['id "elsewhere"', "container:"], ""),
            ({"id": 99}, ['there is no site "99"', "admin site list"], "Comments aren’t available on this page."),
        ]
        for options, parts, sentence in cases:
            if options.get("id"):
                self.steer(fail=[{"path": "/bootstrap", "status": 404, "times": 99}])
            context = self.context()
            page = context.new_page()
            said = self.told(page)
            page.goto(f"{self.base}/pages/plain.html?o=" + quote(json.dumps(options)))
            for _ in range(100):
                if said:
                    break
                page.wait_for_timeout(100)
            page.evaluate("() => { Cackle.bootstrap(true); }")
            page.wait_for_timeout(500)
            self.assertEqual(len(said), 1, (options, said))
            for part in parts:
                self.assertIn(part, said[0])
            self.soon(lambda: self.assertEqual(page.inner_text("#mc-container").strip(), sentence))
            self.soon(lambda: self.assertEqual(page.locator(".mc-input").count(), 0))

    def test_old_browser(self) -> None:
        """A browser without what is needed: said to the owner, and to the visitor in words."""
        for change in ("CSS.supports = () => false", "delete Element.prototype.replaceChildren",
                       "delete window.AbortController", "delete Intl.RelativeTimeFormat"):  # fmt: skip
            page = self.context().new_page()
            said = self.told(page)
            page.add_init_script(change)
            page.goto(f"{self.base}/pages/plain.html?lang=ru")
            page.wait_for_selector("text=Ваш браузер слишком старый")
            page.wait_for_timeout(300)
            self.assertEqual(len(said), 1)
            self.assertIn("lacks", said[0])

    def test_own_address(self) -> None:
        """Below a path, as a module, by import(): everything comes from where widget.js came from, whatever other
        widget.js the page has.
        """
        self.seed("Found")
        below = f"{self.base}/below/a/path"
        other = "<script src='/pages/widget.js'></script>"
        ways = {
            "script": f"<script async src='{below}/widget.js?site=1&x=/y/z'></script>",
            "module": f"<script type=module src='{below}/widget.js'></script>",
            "import": f"<script type=module>import('{below}/widget.js');</script>",
            "inserted": f"<script>const s = document.createElement('script'); s.src = '{below}/mc.widget-min.js';"
            "document.head.append(s)</script>",
        }
        for name, tag in ways.items():
            context = self.context()
            context.route("**/pages/widget.js", lambda route: route.fulfill(body="1", content_type="text/javascript"))
            context.route(
                "**/mc.widget-min.js",
                lambda route: route.fulfill(response=route.fetch(url=f"{below}/widget.js")),
            )
            context.route(
                "**/pages/plain.html",
                lambda route, _, tag=tag: route.fulfill(
                    body=f"<!doctype html><div id=mc-container></div><p id=below></p>{other}"
                    f"<script src='/pages/plain.js'></script>{tag}{other}",
                    content_type="text/html",
                ),
            )
            page = self.page(f"{self.base}/pages/plain.html", context=context)
            page.wait_for_selector("text=Found")
            self.soon(lambda: self.assertEqual(page.evaluate("[Cackle.origin, Cackle.base()]"), [below, below], name))
            self.post(page, f"Written by {name}")
            asked = page.evaluate("performance.getEntriesByType('resource').map(e => e.name)")
            ours = [url for url in asked if "/widget/" in url or "/api/" in url or "/bootstrap" in url]
            self.assertEqual([url for url in ours if not url.startswith(below)], [], name)

    def test_counters(self) -> None:
        """Every way to name a counter, html, odd keys and odd languages."""
        self.seed("1", "2", channel="a")
        self.seed("1", channel="constructor")
        for lang in ("en-US ", "x", "", "en_US.UTF-8", "zz-zz-zz-zz", "ru-", "\ud83d"):
            page = self.plain("lang=" + quote(lang, errors="replace"))
            page.evaluate("""() => {
                for (const [tag, attributes] of [['a', {href: '/x#mc-container', 'cackle-channel': 'a'}],
                    ['a', {href: '/x#mc-container', 'data-cackle-channel': 'a'}],
                    ['a', {href: '/x#mc-container?y', 'cackle-channel': 'constructor'}],
                    ['span', {'data-cackle-channel': 'a'}], ['i', {'data-cackle-url': '/none'}], ['b', {}],
                    ['a', {href: '/x#mc-container', 'cackle-channel': '__proto__'}],
                    ['a', {href: '/x#mc-container', 'cackle-channel': 'half \\ud83d'}]]) {
                    const n = document.createElement(tag);
                    n.className = 'n' + (tag === 'a' ? '' : ' cackle-comment-count');
                    for (const name in attributes) n.setAttribute(name, attributes[name]);
                    document.body.append(n);
                }
                cackle_widget.push({widget: 'CommentCount', id: 1, mult: '{num}'});
                }""")
            self.until(
                page, "[...document.querySelectorAll('.n')].map(n => n.textContent).join() === '2,2,1,2,0,0,0,0'"
            )
            page.context.close()
        page = self.plain()
        page.evaluate("""() => { const n = document.createElement('span'); n.className = 'n cackle-comment-count';
            n.dataset.cackleChannel = 'a'; document.body.append(n);
            cackle_widget.push({widget: 'CommentCount', id: 1, one: 'one', mult: '{num} in all',
                html: '<b class="big">{num}</b> <i>{comments}</i><img src=x onerror=window.hacked=1>'}); }""")
        self.until(page, "document.querySelector('.n b.big')")
        self.soon(
            lambda: self.assertEqual(
                page.inner_html(".n"),
                '<b class="big">2</b> <i>2 in all</i>&lt;img src=x onerror=window.hacked=1&gt;',
            )
        )

    def test_srcdoc(self) -> None:
        """In a frame without an address of its own the conversation is that of its maker's page, and can be written."""
        page = self.plain()
        page.evaluate("""base => { const f = document.createElement('iframe');
            f.style.cssText = 'width:600px;height:900px';
            f.srcdoc = `<div id=mc-container></div><script>cackle_widget = [{widget: 'Comment', id: 1}]<\\/script>
                <script src="${base}/widget.js"><\\/script>`; document.body.append(f); }""", self.base)  # fmt: skip
        frame = page.frame_locator("iframe")
        frame.locator(".mc-input").click()
        frame.locator(".mc-input").fill("From within")
        page.keyboard.press("Control+Enter")
        frame.locator(".mc-c:not(.mc-sending) >> text=From within").wait_for()


def _changed(source: str, doc: str):
    def test(self: StrangersTests) -> None:
        self.converse(source)

    test.__doc__ = doc
    return test


def _library(name: str):
    def test(self: StrangersTests) -> None:
        self.converse(script(name))

    test.__doc__ = f"A page with {name}."
    return test


for _name, _source in CHANGES.items():
    setattr(
        StrangersTests, f"test_change_{_name.replace('.', '_')}", _changed(_source, f"A page that changed {_name}.")
    )
for _name in SCRIPTS:
    setattr(StrangersTests, f"test_library_{_name.replace('-', '_').replace('.', '_')}", _library(_name))
