"""Pages made for Disqus, FastComments and WidgetPack, with one changed script address, before a real daemon."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from tests.support.browser import BrowserCase
from tests.support.client import Visitor
from tests.support.daemon import Daemon


class Pages(ThreadingHTTPServer):
    """A site's own server, of the demo's origins: pages and scripts by their paths."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.files: dict[str, tuple[str, str]] = {}
        Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """The file, or 404."""
        server: Any = self.server
        found = server.files.get(self.path.partition("?")[0])
        self.send_response(200 if found else 404)
        kind, text = found or ("text/plain", "")
        self.send_header("content-type", f"{kind}; charset=utf-8")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        """Nothing."""


class HostCase(BrowserCase):
    """A daemon for all; pages are what a test says they are."""

    daemon: Daemon | None = None
    pages: Pages | None = None

    def setUp(self) -> None:
        super().setUp()
        if HostCase.daemon is None or HostCase.pages is None:
            HostCase.daemon = Daemon('[limits]\nexempt = ["127.0.0.0/8"]\n')
            HostCase.pages = Pages()
        self.url, self.there = HostCase.daemon.url, HostCase.pages.url

    def host(self, path: str, body: str, *, wait: str = ".mc-header", files: dict[str, str] | None = None):
        """The page at *path* with *body*; *files* are scripts beside it."""
        head = "<!doctype html><html lang=en><meta charset=utf-8><title>A page</title><body>"
        served = HostCase.pages.files
        served[path.partition("?")[0]] = ("text/html", head + body)
        for name, text in (files or {}).items():
            served[name] = ("text/javascript", text)
        return self.page(self.there + path, context=self.context(locale="en-US"), wait=wait)

    def write(self, key: str, text: str) -> None:
        """Somebody writes a comment."""
        answer = Visitor(self.url).post(key, text)
        self.assertEqual(answer.status, 201, answer.body)


class DisqusTests(HostCase):
    def embed(self, config: str, more: str = "") -> str:
        """Disqus' published embed code, with another address."""
        return f"""<div id="disqus_thread"></div><script>
          {config}
          (function () {{
            var d = document, s = d.createElement('script');
            s.src = '{self.url}/disqus/1/embed.js';
            s.setAttribute('data-timestamp', +new Date());
            {more}
            (d.head || d.body).appendChild(s);
          }})();
        </script><p id="below">Below</p>"""

    def test_page(self) -> None:
        """The page's address names the conversation; a comment is written, its callback called."""
        self.write("/disqus-page", "from before")
        config = f"""var disqus_config = function () {{
            this.page.url = '{self.there}/disqus-page/?utm_source=x';
            this.page.identifier = 'post-7';
            this.page.title = 'A title';
            this.language = 'de';
            this.callbacks.onNewComment = [function (comment) {{ window.told = comment.text; }}];
          }};"""
        page = self.host("/elsewhere", self.embed(config))
        self.until(page, "document.querySelector('.mc-text')")
        self.soon(lambda: self.assertEqual(self.texts(page), ["from before"]))
        self.soon(lambda: self.assertTrue(page.locator("#disqus_thread.mc-root[lang=de]").count()))
        self.post(page, "from a page made for Disqus")
        self.until(page, "window.told")
        self.soon(lambda: self.assertIn("made for Disqus", page.evaluate("window.told")))

    def test_reset(self) -> None:
        """DISQUS.reset shows another conversation in the same place, and the first one is gone."""
        self.write("/reset-one", "conversation one")
        self.write("/reset-two", "conversation two")
        config = f"var disqus_config = function () {{ this.page.url = '{self.there}/reset-one'; }};"
        page = self.host("/reset-one", self.embed(config))
        self.until(page, "document.body.innerText.includes('conversation one')")
        other = f"{self.there}/reset-two"
        page.evaluate("url => DISQUS.reset({reload: true, config: function () { this.page.url = url; }})", other)
        self.until(page, "document.body.innerText.includes('conversation two')")
        self.soon(lambda: self.assertNotIn("conversation one", page.inner_text("body")))
        page.evaluate("Cackle.bootstrap(true)")
        self.until(page, "document.querySelectorAll('.mc-text').length === 1")
        self.soon(lambda: self.assertEqual(self.texts(page), ["conversation two"]))

    def test_names(self) -> None:
        """With data-by the identifier names it; old variables count as well; a broken config harms nothing."""
        self.write("post-9", "by its name")
        old = "var disqus_identifier = 'post-9', disqus_shortname = 'x', disqus_config = function () { null.x; };"
        page = self.host("/any", self.embed(old, "s.setAttribute('data-by', 'name');"))
        self.until(page, "document.body.innerText.includes('by its name')")

    def test_hostile(self) -> None:
        """Values of the wrong kind are as if they were not there; reset and the script once more leave one widget."""
        self.write("/hostile", "still here")
        config = f"""var DISQUS = 'x', cackle_widget = {{widget: 'Nonsense'}};
          var disqus_config = function () {{
            this.page = {{url: '{self.there}/hostile', title: Symbol('t'), get identifier() {{ throw 1; }}}};
            this.callbacks = {{onNewComment: 'no', onReady: [null, 7]}};
            this.language = Object.create(null);
          }};"""
        page = self.host("/any-hostile", self.embed(config, "window.again = () => d.head.appendChild(s.cloneNode());"))
        self.until(page, "document.body.innerText.includes('still here')")
        page.evaluate("DISQUS.reset(null); DISQUS.reset({config: 7}); DISQUS.reset('x'); window.again();")
        self.until(page, "document.scripts.length && document.querySelectorAll('script[src*=embed]').length === 2")
        self.until(page, "document.querySelectorAll('.mc-text').length === 1")
        self.soon(lambda: self.assertEqual(self.texts(page), ["still here"]))
        self.assertEqual(page.locator(".mc-root").count(), 1)

    def test_no_place(self) -> None:
        """A page without the thread's element is left alone; the place that comes later gets it."""
        self.write("/later", "in its place")
        config = f"var disqus_config = function () {{ this.page.url = '{self.there}/later'; }};"
        body = self.embed(config).replace('<div id="disqus_thread"></div>', "")
        page = self.host("/no-place", body, wait="#below")
        self.until(page, "window.DISQUS && window.Cackle")
        page.evaluate("document.body.prepend(Object.assign(document.createElement('div'), {id: 'disqus_thread'}))")
        page.evaluate("DISQUS.reset()")
        self.until(page, "document.querySelector('#disqus_thread .mc-text')?.innerText === 'in its place'")

    def test_count(self) -> None:
        """Links and elements get the number, in the page's own words."""
        self.write("/count-me", "one")
        self.write("/count-me", "two")
        page = self.host(
            "/list",
            f"""<a id=a href="{self.there}/count-me#disqus_thread">x</a> <a id=b href="/nothing#disqus_thread">y</a>
            <span id=c class="disqus-comment-count" data-disqus-url="{self.there}/count-me"></span>
            <script>var DISQUSWIDGETS = {{text: {{zero: 'none', multiple: '{{num}} so far'}}}};</script>
            <script id="dsq-count-scr" src="{self.url}/disqus/1/count.js" async></script>""",
            wait="#a",
        )
        self.until(page, "document.querySelector('#a').textContent === '2 so far'")
        self.soon(lambda: self.assertEqual([page.inner_text(one) for one in ("#b", "#c")], ["none", "2 so far"]))


class FastCommentsTests(HostCase):
    def test_configs(self) -> None:
        """fcConfigs, before the script and after it, each in its place."""
        self.write("fc-page", "in the first")
        self.write("/fc-two", "in the second")
        page = self.host(
            "/fc",
            f"""<div id="fastcomments-widget"></div><div id="two"></div>
            <script>window.fcConfigs = [{{target: '#fastcomments-widget', tenantId: 'demo', urlId: 'fc-page',
              defaultSortDirection: 'OF', locale: 'fr',
              onReplySuccess: function (c) {{ window.told = c.html; }}}}];</script>
            <script src="{self.url}/fastcomments/1/embed-v2-async.min.js" async></script>""",
        )
        self.until(page, "document.querySelector('#fastcomments-widget .mc-text')?.innerText === 'in the first'")
        self.soon(lambda: self.assertTrue(page.locator("#fastcomments-widget.mc-root[lang=fr]").count()))
        page.evaluate("url => window.fcConfigs.push({target: '#two', tenantId: 'demo', url})", f"{self.there}/fc-two")
        self.until(page, "document.querySelector('#two .mc-text')?.innerText === 'in the second'")
        self.post(page, "said")
        self.until(page, "window.told === '<p>said</p>'")

    def test_hostile(self) -> None:
        """What is no configuration, and what has no place, harms none of the others."""
        self.write("fc-hostile", "stands")
        page = self.host(
            "/fc-hostile",
            f"""<div id="fastcomments-widget"></div>
            <script>window.fcConfigs = Object.freeze([null, 7, {{target: '###', urlId: 'x'}},
              {{get target() {{ throw 1; }}}},
              {{urlId: 'fc-hostile', locale: Symbol('l'), sso: {{get userDataJSONBase64() {{ throw 1; }}}},
                onReplySuccess: 'no', maxReplyDepth: NaN, defaultSortDirection: 'constructor'}}]);</script>
            <script src="{self.url}/fastcomments/1/embed-v2-async.min.js" async></script>""",
        )
        self.until(page, "document.querySelector('#fastcomments-widget .mc-text')?.innerText === 'stands'")
        page.evaluate("FastCommentsUI(null, null).destroy(); FastCommentsUI('###').update(7)")
        page.evaluate("fcConfigs.push(undefined, {urlId: 'fc-hostile'})")
        self.until(page, "document.querySelector('#fastcomments-widget .mc-text')?.innerText === 'stands'")

    def test_function(self) -> None:
        """FastCommentsUI mounts, shows another conversation, and goes."""
        self.write("ui-one", "ui one")
        self.write("ui-two", "ui two")
        page = self.host(
            "/ui",
            f"""<div class="place"></div><script src="{self.url}/fastcomments/1/embed-v2.min.js"></script>
            <script>window.one = FastCommentsUI(document.querySelector('.place'), {{tenantId: 'x', urlId: 'ui-one'}});
            </script>""",
        )
        self.until(page, "document.body.innerText.includes('ui one')")
        page.evaluate("window.one.update({tenantId: 'x', urlId: 'ui-two'})")
        self.until(page, "document.body.innerText.includes('ui two')")
        page.evaluate("window.one.destroy()")
        self.until(page, "!document.querySelector('.mc-text')")


class WidgetPackTests(HostCase):
    def test_page(self) -> None:
        """wpac_init: by name, else by the path alone; a widget that there is not harms no other."""
        self.write("/wpac-page", "by the path")
        self.write("named", "by its name")
        page = self.host(
            "/wpac-page?x=1",
            f"""<div id="wpac-comment"></div><div id="second"></div>
            <script>wpac_init = window.wpac_init || [];
            wpac_init.push({{widget: 'GoogleReview', id: 1}});
            wpac_init.push({{widget: 'Comment', id: 1}});
            wpac_init.push({{widget: 'Comment', id: '1', chan: 'named', container: 'second'}});</script>
            <script async src="{self.url}/widgetpack/widget.js"></script>""",
        )
        self.until(page, "document.querySelector('#wpac-comment .mc-text')?.innerText === 'by the path'")
        self.until(page, "document.querySelector('#second .mc-text')?.innerText === 'by its name'")


class CackleTests(HostCase):
    def test_reinit(self) -> None:
        """Pages of the first loaders: globals say what is shown, Cackle.reinit reads them again."""
        self.write("old-one", "old one")
        self.write("old-two", "old two")
        page = self.host(
            "/old",
            f"""<div id="mc-container"></div><script>var mcSite = '1', mcChannel = 'old-one';</script>
            <script async src="{self.url}/mc.widget-min.js"></script>""",
        )
        self.until(page, "document.body.innerText.includes('old one')")
        page.evaluate("window.mcChannel = 'old-two'; Cackle.reinit()")
        self.until(page, "document.body.innerText.includes('old two')")
        self.soon(lambda: self.assertEqual(self.texts(page), ["old two"]))

    def test_old_lists(self) -> None:
        """The first loaders of lists and counters, beside that of comments, each in any order; `mcSSOProvider`."""
        self.write("old-list", "in the list")
        for first, second in (("last", "count"), ("count", "last")):
            page = self.host(
                f"/old-{first}",
                f"""<div id="mc-last"></div><div id="mc-container"></div>
                <a id="number" href="/x#mc-container" cackle-channel="old-list">?</a>
                <script>var mcSite = 1, mcChannel = 'old-list',
                  mcSSOProvider = {{name: 'Ours', url: 'https://sso.example/in'}};</script>
                <script async src="{self.url}/mc.{first}-min.js"></script>
                <script async src="{self.url}/mc.widget-min.js"></script>
                <script async src="{self.url}/mc.{second}-min.js"></script>""",
            )
            self.until(page, "document.getElementById('mc-last').innerText.includes('in the list')")
            self.until(page, "document.getElementById('number').innerText.includes('1')")
            self.until(page, "document.querySelector('#mc-container .mc-text')?.innerText === 'in the list'")
            page.click(".mc-input >> nth=0")
            page.click("#mc-container .mc-signin >> nth=0")
            self.until(page, "document.body.innerText.includes('Ours')")
            self.soon(lambda page=page: self.assertEqual(page.locator("#mc-last > *").count(), 1))

    def test_unknown(self) -> None:
        """A widget that there is not is said in the console, and harms no other."""
        self.write("known", "still here")
        context = json.dumps([{"widget": "Nonsense", "id": 1}, {"widget": "Comment", "id": 1, "channel": "known"}])
        page = self.host(
            "/unknown",
            f"""<div id="mc-container"></div><script>cackle_widget = {context};</script>
            <script async src="{self.url}/widget.js"></script>""",
        )
        self.until(page, "document.body.innerText.includes('still here')")

    def test_former_names(self) -> None:
        """Comment2 and CommentDiscuss are comments; each stands once, after a second look at the page as well."""
        self.write("former-one", "by Comment2")
        self.write("former-two", "by CommentDiscuss")
        page = self.host(
            "/former",
            f"""<div id="mc-container"></div><div id="second"></div>
            <script>cackle_widget = [{{widget: 'Comment2', id: 1, channel: 'former-one'}},
              {{widget: 'CommentDiscuss', id: '1', channel: 'former-two', container: 'second'}}, {{widget: '2'}}];
            </script><script async src="{self.url}/widget.js"></script>""",
        )
        self.until(page, "document.querySelector('#mc-container .mc-text')?.innerText === 'by Comment2'")
        self.until(page, "document.querySelector('#second .mc-text')?.innerText === 'by CommentDiscuss'")
        page.evaluate("Cackle.bootstrap(true)")
        self.until(page, "document.querySelectorAll('.mc-text').length === 2")
        self.soon(lambda: self.assertEqual(sorted(self.texts(page)), ["by Comment2", "by CommentDiscuss"]))
