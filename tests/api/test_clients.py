"""Clients made from the description, used against a daemon's parts; and the page where calls are tried."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SkipTest

from cackled.api.panel import POLICY
from tests.api.common import ApiCase
from tests.support.staff import site_key

ROOT = Path(__file__).resolve().parents[2]
TSC, ESBUILD = (ROOT / "node_modules" / ".bin" / name for name in ("tsc", "esbuild"))

PROGRAM = """
import {Client, Refused, pages} from './cackled.ts';
const [, , base, key] = process.argv;
const staff = new Client(base, key);
const made = await staff.makeWebhook(1, {url: 'https://a.example/', types: ['comment.created']}, {}, {key: 'k'});
const again = await staff.makeWebhook(1, {url: 'https://a.example/', types: ['comment.created']}, {}, {key: 'k'});
const session = await new Client(base).openSession(1);
const reader = new Client(base, session.token);
for (const text of ['one', 'two', 'three']) await reader.postComment(1, {channel: {key: 'ts'}, text, name: 'Ann'});
const seen: string[] = [];
const list = (cursor?: string) => reader.listCommentsOfVisitor(1, session.visitor, {cursor, size: 1});
for await (const page of pages(list)) seen.push(...page.comments.map(one => one.comment.html));
const hook = await staff.getWebhook(1, made.id);
await staff.changeWebhook(1, made.id, {note: 'x'}, {}, {match: staff.etag});
let slug = '';
try {
  await staff.changeWebhook(1, made.id, {note: 'y'}, {}, {match: '"1"'});
} catch (error) {
  if (error instanceof Refused) slug = `${error.status} ${error.slug}`;
}
console.log(JSON.stringify([made.secret === again.secret, seen, hook.types, slug]));
"""
WANTED = [True, ["<p>three</p>", "<p>two</p>", "<p>one</p>"], ["comment.created"], "412 outdated"]


def run(*command: str, cwd: Path) -> tuple[int, str]:
    """Run a program; its exit code and all that it said."""
    ended = subprocess.run(
        command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", timeout=300, check=False,
    )  # fmt: skip
    return ended.returncode, ended.stdout


class ClientTests(ApiCase):
    """Against real sockets."""

    async def source(self, name: str) -> tuple[Path, str, str]:
        """A client in a file; the server's address; a key."""
        folder = Path(self.mktemp()).resolve()
        folder.mkdir(parents=True)
        answer = await self.ask("GET", f"/api/docs/{name}")
        self.assertEqual(answer.status, 200, answer)
        (folder / name).write_bytes(answer.body)
        key = await site_key(self, ["read", "sync"])
        return folder / name, f"http://127.0.0.1:{self.port}", key.headers["authorization"].partition(" ")[2]

    async def test_python(self) -> None:
        """Makes, reads, pages, changes on a condition; what is sent twice with one key is done once."""
        path, base, key = await self.source("cackled.py")
        spec = importlib.util.spec_from_file_location("cackled_client", path)
        assert spec is not None and spec.loader is not None
        client: Any = importlib.util.module_from_spec(spec)
        sys.modules["cackled_client"] = client
        self.addCleanup(sys.modules.pop, "cackled_client")
        spec.loader.exec_module(client)

        def use() -> list[Any]:
            staff = client.Client(base, key)
            hook = {"url": "https://a.example/", "types": ["comment.created"]}
            made, again = (staff.make_webhook(1, hook, key="k") for _ in range(2))
            session = client.Client(base).open_session(1)
            reader = client.Client(base, session["token"])
            for text in ("one", "two", "three"):
                reader.post_comment(1, {"channel": {"key": "py"}, "text": text, "name": "Ann"})
            pages = client.pages(
                lambda cursor: reader.list_comments_of_visitor(1, session["visitor"], cursor=cursor, size=1)
            )
            seen = [one["comment"]["html"] for page in pages for one in page["comments"]]
            shown = staff.get_webhook(1, made["id"])
            staff.change_webhook(1, made["id"], {"note": "x"}, match=staff.etag)
            slug = ""
            try:
                staff.change_webhook(1, made["id"], {"note": "y"}, match='"1"')
            except client.Refused as error:
                slug = f"{error.status} {error.slug}"
            return [made["secret"] == again["secret"], seen, shown["types"], slug]

        self.assertEqual(await deferToThread(use), WANTED)

    async def test_python_types(self) -> None:
        """The module passes a strict check of its types."""
        path, _, _ = await self.source("cackled.py")
        code, said = await deferToThread(
            run, sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--config-file=", str(path),
            cwd=path.parent,
        )  # fmt: skip
        self.assertEqual((code, said), (0, ""), said[-3000:])

    async def test_typescript(self) -> None:
        """The same in TypeScript, checked strictly."""
        node = shutil.which("node")
        if node is None or not TSC.exists():
            raise SkipTest("node and its tools are not installed (scripts/packaging/web.py tools)")
        path, base, key = await self.source("cackled.ts")
        (path.parent / "program.ts").write_text(PROGRAM)
        (path.parent / "node.d.ts").write_text("declare const process: {argv: string[]};\n")
        code, said = await deferToThread(
            run, str(TSC), "--noEmit", "--strict", "--target", "es2022", "--module", "esnext", "--lib",
            "es2022,dom,dom.iterable", "--moduleResolution", "bundler", "--allowImportingTsExtensions", "--types", "",
            "program.ts", "node.d.ts", cwd=path.parent,
        )  # fmt: skip
        self.assertEqual((code, said), (0, ""), said[-3000:])
        code, said = await deferToThread(
            run, str(ESBUILD), "program.ts", "--bundle", "--format=esm", "--platform=node", "--log-level=error",
            "--outfile=program.mjs", cwd=path.parent,
        )  # fmt: skip
        self.assertEqual(code, 0, said)
        code, said = await deferToThread(run, node, "program.mjs", base, key, cwd=path.parent)
        self.assertEqual(code, 0, said)
        self.assertEqual(json.loads(said), WANTED)


class PageTests(ApiCase):
    async def test_page(self) -> None:
        """In the browser's language, under the panel's policy; nothing inline or foreign; nothing else is there."""
        for accept, language in (("de", "de"), ("he", "he"), ("xx", "en"), ("", "en")):
            answer = await self.ask("GET", "/api/docs", accept_language=accept)
            self.assertEqual(answer.status, 200)
            self.assertIn(f'<html lang="{language}"'.encode(), answer.body)
            self.assertEqual(answer.headers["content-security-policy"], POLICY.decode())
            self.assertEqual(answer.headers["x-frame-options"], "DENY")
            self.assertNotIn(b"http:", answer.body)
            self.assertNotIn(b"https:", answer.body)
            self.assertEqual(answer.body.count(b"<script"), 1)
            again = await self.ask("GET", "/api/docs", accept_language=accept, if_none_match=answer.headers["etag"])
            self.assertEqual(again.status, 304)
        for name in ("docs.js", "docs.css"):
            self.assertEqual((await self.ask("GET", f"/api/docs/{name}")).status, 200)
        for name in ("x", "locales/en.json", "../docs.py", "%2e%2e/docs.py", "docs.js/x"):
            self.assertEqual((await self.ask("GET", f"/api/docs/{name}")).status, 404, name)
