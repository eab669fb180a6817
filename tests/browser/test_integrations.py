"""The snippets of integrations/, as they are there, in pages of the frameworks that they are for."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.browser.libraries import HOSTS as LIBRARIES
from tests.browser.test_adapters import HostCase
from tests.support.site_builders import hugo, jekyll

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "integrations"
BUILD = Path(__file__).parent / "hosts" / "snippet.mjs"


class SnippetTests(HostCase):
    """A conversation stands where the component is, another one comes with another channel, and it goes with it."""

    written = False

    def build(self, program: str, name: str) -> str:
        """*program* (JavaScript with JSX) as one script."""
        node = shutil.which("node")
        if node is None or not (LIBRARIES / "node_modules" / "svelte").is_dir():
            raise SkipTest("the frameworks are not installed (scripts/test does that where npm is)")
        folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        (folder / name).write_text(program)
        made = subprocess.run(
            [node, str(BUILD), str(folder / name), str(LIBRARIES / "node_modules"), str(HERE)], capture_output=True,
            text=True, timeout=120, check=False, cwd=ROOT,
        )  # fmt: skip
        self.assertEqual(made.returncode, 0, made.stderr[-2000:])
        return made.stdout

    def check(self, script: str) -> None:
        """window.show(channel) shows a conversation, window.hide() takes it away."""
        page = self.host("/app", '<div id="app"></div><script src="/app.js"></script>', wait="",
                         files={"/app.js": script})  # fmt: skip
        page.evaluate("window.show('snippet-one')")
        self.until(page, "document.body.innerText.includes('snippet one')")
        page.evaluate("window.show('snippet-two')")
        self.until(page, "document.body.innerText.includes('snippet two')")
        self.soon(lambda: self.assertEqual(self.texts(page), ["snippet two"]))
        page.evaluate("window.hide()")
        self.until(page, "!document.querySelector('.mc-text')")
        self.soon(lambda: self.assertEqual(page.evaluate("window.cackle_widget.length"), 0))
        # A path is the page's, as everywhere else.
        page.evaluate("window.show('/snippet-page/')")
        self.until(page, "document.body.innerText.includes('snippet page')")
        self.soon(lambda: self.assertEqual(page.locator("script[data-cackled]").count(), 1))

    def setUp(self) -> None:
        super().setUp()
        # Once in the daemon that all share.
        if not SnippetTests.written:
            SnippetTests.written = True
            self.write("snippet-one", "snippet one")
            self.write("snippet-two", "snippet two")
            self.write("/snippet-page", "snippet page")

    def react(self, module: str, props: str, more: str = "") -> str:
        return self.build(
            f"""import {{createRoot}} from 'react-dom/client';
            import {{StrictMode}} from 'react';
            import {{Comments}} from 'integrations/{module}';
            {more}
            const root = createRoot(document.getElementById('app'));
            const App = ({{channel}}) => <StrictMode><Comments server="{self.url}" site={{1}} {props} /></StrictMode>;
            window.show = channel => {{ window.shown = channel; root.render(<App channel={{channel}} />); }};
            window.hide = () => root.render(null);""",
            "app.jsx",
        )

    def test_react(self) -> None:
        """React, in strict mode: what is mounted twice is there once."""
        self.check(self.react("react/Comments.jsx", "channel={channel}"))

    def test_next(self) -> None:
        """Next: the path names the conversation."""
        self.check(self.react("next/Comments.jsx", ""))

    def test_docusaurus(self) -> None:
        """Docusaurus: the same, in its colour mode."""
        self.check(self.react("docusaurus/Comments.jsx", ""))

    def test_vue(self) -> None:
        self.check(
            self.build(
                f"""import {{createApp, h, ref}} from 'vue';
                import Comments from 'integrations/vue/Comments.vue';
                const channel = ref('');
                createApp({{
                  render: () => channel.value
                    ? h(Comments, {{server: '{self.url}', site: 1, channel: channel.value}}) : null,
                }}).mount('#app');
                window.show = name => {{ channel.value = name; }};
                window.hide = () => {{ channel.value = ''; }};""",
                "app.js",
            )
        )

    def test_svelte(self) -> None:
        self.check(
            self.build(
                f"""import {{mount, unmount}} from 'svelte';
                import Page from './Page.svelte';
                let made;
                const props = window.props;
                window.show = name => {{
                  if (made) made.choose(name);
                  else made = mount(Page, {{
                    target: document.getElementById('app'), props: {{server: '{self.url}', name}},
                  }});
                }};
                window.hide = () => {{ unmount(made); made = undefined; }};""",
                "app.js",
            )
        )

    def test_astro(self) -> None:
        """The component as Astro prints it: its values in place of the expressions."""
        text = (HERE / "astro" / "Comments.astro").read_text().partition("---")[2].partition("---")[2]
        text = text.replace("data-site={site}", 'data-site="1"')
        text = text.replace("data-channel={channel}", 'data-channel="snippet-one"')
        text = text.replace("src={`${server}/widget.js`}", f'src="{self.url}/widget.js"')
        text = re.sub(r" (is:inline|data-astro-rerun)", "", text)
        self.assertNotIn("{server}", text)
        page = self.host("/astro", text)
        self.until(page, "document.body.innerText.includes('snippet one')")

    def test_hugo(self) -> None:
        """The partial in a site that Hugo builds; a title is no script."""
        made = hugo(
            self,
            {
                "layouts/partials/comments.html": (HERE / "hugo" / "comments.html").read_text(),
                "layouts/_default/single.html": '<!doctype html><body>{{ partial "comments.html" . }}',
                "hugo.toml": f'baseURL = "{self.there}/"\ntitle = "A site"\ndisableKinds = ["home", "term"]\n'
                f'[params.cackled]\nserver = "{self.url}"\nsite = 1\n',
                "content/hugo-page.md": "+++\ntitle = 'A </script><b> \"title\"'\n+++\nWords.",
            },
        )
        self.built(made, "hugo-page")

    def test_jekyll(self) -> None:
        """The include in a site that Jekyll builds."""
        made = jekyll(
            self,
            {
                "_includes/comments.html": (HERE / "jekyll" / "comments.html").read_text(),
                "_config.yml": f'title: A site\nurl: {self.there}\ncackled: {{server: "{self.url}", site: 1}}\n',
                "jekyll-page/index.html": "---\ntitle: 'A </script><b> \"title\"'\n---\n{% include comments.html %}",
            },
        )
        self.built(made, "jekyll-page")

    def built(self, folder: Path, name: str) -> None:
        """A page of a site that was built shows the conversation of its address, and its title is its title."""
        self.write(f"/{name}", f"on {name}")
        page = self.host(f"/{name}/", (folder / name / "index.html").read_text())
        self.soon(lambda: self.assertEqual(self.texts(page), [f"on {name}"]))
        self.assertEqual(page.evaluate("window.cackle_widget[0].title"), 'A </script><b> "title"')
        self.assertEqual(page.locator("b").count(), 0)


class PluginTests(SynchronousTestCase):
    """The WordPress plugin, where there is PHP."""

    def run_php(self, *arguments: str) -> str:
        php = shutil.which("php")
        if php is None:
            raise SkipTest("there is no php")
        done = subprocess.run([php, *arguments], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_syntax(self) -> None:
        """Every file can be read by PHP, and by nobody without WordPress."""
        files = sorted((HERE / "wordpress").rglob("*.php"))
        self.assertGreater(len(files), 6)
        for path in files:
            self.run_php("-l", str(path))
            self.assertRegex(path.read_text(), r"defined\( '(ABSPATH|WP_UNINSTALL_PLUGIN)' \) \|\| exit;", path.name)

    def test_statement(self) -> None:
        """What it says of whoever is signed in holds with our check."""
        from cackled.identity.assertion import verify_jwt

        secret = "a-secret-of-thirty-two-characters-or-more"
        path = HERE / "wordpress" / "cackled" / "includes" / "class-cackled-sso.php"
        token = self.run_php(
            "-r",
            "define('ABSPATH', '/'); function wp_json_encode($value) { return json_encode($value); } "
            f"require '{path}'; "
            "echo Cackled_Sso::signed(array('sub' => '5', 'aud' => 'site:1', 'iat' => 1700000000, 'exp' => 1700000600, "
            f"'name' => 'Zoë', 'email' => 'zoe@example.test'), '{secret}');",
        )
        person = verify_jwt(token, 1, [secret], 1_700_000_100.0)
        self.assertEqual((person.id, person.name, person.email), ("5", "Zoë", "zoe@example.test"))
