"""Our plugin in a real WordPress: set up by its owner, read, written in, brought over, kept in step."""

from __future__ import annotations

import json
from base64 import b64encode

from tests.browser.test_panel import PanelCase
from tests.browser.wordpress import PASSWORD, WordPress
from tests.support.browser import PATIENCE
from tests.support.client import Visitor, call

SECRET = "a-secret-of-the-site-that-is-long-enough"
SETTINGS = "/wp-admin/options-general.php?page=cackled"


class WordPressTests(PanelCase):
    """One WordPress for all; who sets what says so."""

    blog: WordPress | None = None
    key = ""

    def setUp(self) -> None:
        super().setUp()
        if WordPressTests.blog is None:
            WordPressTests.blog = WordPress()
            assert PanelCase.daemon is not None
            PanelCase.daemon.admin(f"site set 1 channel_secret {SECRET}")
            WordPressTests.key = self.new_key()
        self.wordpress = WordPressTests.blog
        self.addCleanup(lambda: self.assertEqual(self.wordpress.faults(), []))
        self.set_up()

    def new_key(self) -> str:
        """A key of the site, as the panel makes it."""
        page = self.staff()
        made = page.evaluate(
            """async () => (await fetch('/api/v1/sites/1/keys', {
              method: 'POST', headers: {'content-type': 'application/json', 'x-cackled-panel': '1'},
              body: JSON.stringify({name: 'WordPress', scopes: ['read', 'sync']}),
            })).json()"""
        )
        return str(made["key"])

    def set_up(self, **more: object) -> None:
        """The plugin's settings, as its page would keep them."""
        kept = {"server": self.url, "site": 1, "key": self.key, "printed": True, "sso": True, "secret": SECRET,
                "sync": True, **more}  # fmt: skip
        coded = b64encode(json.dumps(kept).encode()).decode()
        self.wordpress.run(f"update_option('cackled', json_decode(base64_decode('{coded}'), true));")

    def post_of(self, title: str) -> int:
        """A new post."""
        return int(
            self.wordpress.run(
                f"echo wp_insert_post(array('post_title' => wp_slash({title!r}), 'post_content' => 'Words.', "
                "'post_status' => 'publish', 'post_author' => 1));"
            )
        )

    def signed_in(self, name: str = "admin"):
        """A browser of somebody who is signed in to WordPress."""
        # What WordPress' own scripts get wrong is not our matter.
        page = self.context(locale="en-US").new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(f"{self.wordpress.url}/wp-login.php")
        page.fill("#user_login", name)
        page.fill("#user_pass", PASSWORD)
        page.click("#wp-submit")
        page.wait_for_url("**/wp-admin/**")
        return page

    def comments(self, post: int, fields: str = "comment_content") -> list[list[str]]:
        """What WordPress keeps of a post's comments."""
        return json.loads(  # type: ignore[no-any-return]
            self.wordpress.run(
                f"echo json_encode($wpdb->get_results('select {fields} from ' . $wpdb->comments . "
                f"' where comment_post_ID = {post} order by comment_ID', ARRAY_N));"
            )
        )

    def test_settings(self) -> None:
        """The owner sets it up: what is no address is refused, a wrong key is told, and no secret is shown again."""
        self.wordpress.run("delete_option('cackled');")
        page = self.signed_in()
        page.goto(self.wordpress.url + SETTINGS)
        page.fill("#cackled-server", self.url + "/")
        page.fill("#cackled-site", "1")
        page.fill("#cackled-key", "cackled_1_wrong")
        page.click("#submit")
        page.locator(".notice-error", has_text="The key is not right").wait_for()
        page.fill("#cackled-key", self.key)
        page.fill("#cackled-secret", SECRET)
        page.check("#cackled-sso")
        page.click("#submit")
        page.locator(".notice-success", has_text="The server knows the key.").wait_for()
        text = page.content()
        self.assertNotIn(self.key, text)
        self.assertNotIn(SECRET, text)
        # An empty field leaves what was there; what is no address is not taken.
        page.evaluate("document.getElementById('cackled-server').type = 'text'")
        page.fill("#cackled-server", "javascript:alert(1)")
        page.click("#submit")
        page.locator(".settings-error", has_text="That is no web address.").wait_for()
        kept = json.loads(self.wordpress.run("echo json_encode(get_option('cackled'));"))
        self.assertEqual((kept["server"], kept["key"], kept["secret"]), (self.url, self.key, SECRET))
        self.assertEqual((kept["sso"], kept["sync"]), (True, False))

    def test_strangers(self) -> None:
        """Who may not set WordPress up reaches neither the page nor the import."""
        page = self.signed_in("reader")
        answer = page.goto(self.wordpress.url + SETTINGS)
        self.assertEqual(answer.status, 403)
        told = page.evaluate(
            """async () => (await fetch('/wp-admin/admin-ajax.php', {method: 'POST',
              body: new URLSearchParams({action: 'cackled_import', _ajax_nonce: 'x'})})).status"""
        )
        self.assertEqual(told, 403)

    def test_page(self) -> None:
        """In themes of blocks and in the others: printed into the page, live, and nobody's words are markup."""
        post = self.post_of('A "title" </script><b>bold</b> & more')
        self.write("before anybody came", str(post))
        for theme in ("twentytwentythree", "twentytwentyone"):
            self.wordpress.run(f"switch_theme('{theme}');")
            printed = call(f"{self.wordpress.url}/?p={post}").body.decode()
            self.assertIn("before anybody came", printed)
            self.assertNotIn("</script><b>bold", printed)
            self.assertEqual(printed.count("widget.js"), 1)
            page = self.page(f"{self.wordpress.url}/?p={post}", context=self.context(locale="en-US"))
            self.soon(lambda page=page: self.assertIn("before anybody came", self.texts(page)))
            # WordPress' own form and list have given way.
            self.assertEqual(page.locator("#commentform, .wp-block-comment-template, .comment-list").count(), 0)
            self.post(page, f"written in {theme}")
        # A list of posts has none of it.
        self.assertNotIn("widget.js", call(f"{self.wordpress.url}/").body.decode())

    def test_server_away(self) -> None:
        """While the server can't be reached, pages are as quick as ever, without comments."""
        post = self.post_of("Alone")
        self.set_up(server="http://127.0.0.1:1")
        answer = call(f"{self.wordpress.url}/?p={post}")
        self.assertEqual(answer.status, 200)
        self.assertIn("mc-container", answer.body.decode())

    def test_signed_in(self) -> None:
        """Who is signed in to WordPress writes under that name; who is not is a guest."""
        post = self.post_of("For members")
        page = self.signed_in("reader")
        page.goto(f"{self.wordpress.url}/?p={post}")
        page.wait_for_selector(".mc-person", state="attached")
        self.assertEqual(page.locator(".mc-nick").count(), 0)
        page.click(".mc-input >> nth=0")
        page.fill(".mc-input >> nth=0", "from a member")
        page.keyboard.press("Control+Enter")
        self.until(page, "document.querySelector('.mc-list .mc-name').textContent === 'reader'")
        self.assertNotIn('"sso"', call(f"{self.wordpress.url}/?p={post}").body.decode())

    def test_brought_over(self) -> None:
        """Comments of WordPress come with one press, answers below what they answer; pressed again they come once."""
        post = self.post_of("Old days")
        self.wordpress.run(
            f"$post = {post}; $first = wp_insert_comment(array('comment_post_ID' => $post, "
            "'comment_author' => 'Old \\\\ Ann', "
            "'comment_author_email' => 'ann@example.test', 'comment_content' => wp_slash('C:\\\\dir and <b>bold</b>'), "
            "'comment_date' => '2020-01-02 03:04:05', 'comment_date_gmt' => '2020-01-02 03:04:05')); "
            "wp_insert_comment(array('comment_post_ID' => $post, "
            "'comment_author' => 'Bob', 'comment_parent' => $first, "
            "'comment_content' => 'an answer', 'comment_date' => '2020-01-02 04:04:05', "
            "'comment_date_gmt' => '2020-01-02 04:04:05'));"
        )
        page = self.signed_in()
        for _ in range(2):
            page.goto(self.wordpress.url + SETTINGS)
            page.click("#cackled-import")
            page.locator("#cackled-import-status", has_text="✓").wait_for()
        reader = self.page(f"{self.wordpress.url}/?p={post}", context=self.context(locale="en-US"))
        self.soon(lambda: self.assertEqual(self.texts(reader), ["C:\\dir and bold", "an answer"]))
        self.assertEqual(reader.locator(".mc-replies .mc-text").count(), 1)

    def test_kept_in_step(self) -> None:
        """What is written, changed and removed here is so in WordPress, each character; nothing comes twice."""
        post = self.post_of("In step")
        visitor = Visitor(self.url, name="Zoë \\ O'Hara")
        first = self.told(visitor, str(post), "a \\ backslash and 'quotes' <i>")
        self.told(visitor, str(post), "an answer", first["id"])
        self.wordpress.run("Cackled_Sync::run(); Cackled_Sync::run();")
        rows = self.comments(post, "comment_author, comment_content, comment_approved, comment_parent > 0")
        self.assertEqual([row[0] for row in rows], ["Zoë \\ O'Hara"] * 2)
        self.assertIn("a \\ backslash", rows[0][1])
        self.assertEqual([row[2:] for row in rows], [["1", "0"], ["1", "1"]])
        self.assertNotIn("<i>", rows[0][1])
        answer = visitor.call(f"/comments/{first['id']}", "PATCH", {"text": "two \\\\ of them"})
        self.assertEqual(answer.status, 200, answer.body)
        self.wordpress.run("Cackled_Sync::run();")
        self.assertIn("two \\\\ of them", self.comments(post)[0][0])
        self.assertEqual(len(self.comments(post)), 2)
        self.assertEqual(visitor.call(f"/comments/{first['id']}", "DELETE").status, 200)
        self.wordpress.run("Cackled_Sync::run();")
        self.assertEqual(self.comments(post, "comment_approved")[0][0], "trash")

    def told(self, visitor: Visitor, key: str, text: str, parent: str | None = None):
        """What the server answers to a comment that it takes."""
        found = {}

        def written() -> None:
            answer = visitor.post(key, text, parent)
            self.assertEqual(answer.status, 201, answer.body)
            found.update(answer.json())

        self.soon(written)
        return found.get("comment", found)

    def test_removed(self) -> None:
        """With the plugin goes what it kept."""
        self.wordpress.run("define('WP_UNINSTALL_PLUGIN', true); require WP_PLUGIN_DIR . '/cackled/uninstall.php';")
        left = self.wordpress.run("echo json_encode(array(get_option('cackled'), wp_next_scheduled('cackled_sync')));")
        self.assertEqual(json.loads(left), [False, False])
