"""The API's description as strangers use it: a generated client works, and a fuzzer that goes by it finds nothing."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.internet.threads import deferToThread

from tests.api.common import ApiCase

# What the fuzzer is told beside the description. There is no replica here, so some reads are 503 (500 is looked for
# below). A schema can't say that reads want a channel or the page's address, that counts are asked for with as many
# numbers as channels, that a text of signs that nobody can see is none, that a push service is public and its keys are
# points of a curve, or that a whole number is not written as a fraction. Uploads go by headers of tus, whose media type
# the fuzzer can't write. The fuzzer sends one idempotency key with
# several calls, which is 422. The first render is not below the other calls, where the fuzzer would look for its
# methods.
SETTINGS = """
[checks]
not_a_server_error.enabled = false
positive_data_acceptance.expected-statuses = ["2xx", "3xx", "401", "403", "404", "409", "422", "429", "5xx"]
unsupported_method.enabled = false
missing_required_header.expected-statuses = ["400", "401", "403", "406", "412", "415", "422", "428"]
negative_data_rejection.expected-statuses = [
  "400", "401", "403", "404", "405", "409", "412", "413", "414", "415", "421", "422", "429", "501", "503",
]

[[operations]]
include-name = [
  "GET /bootstrap", "GET /sites/{site}/counts", "GET /sites/{site}/comments", "POST /sites/{site}/comments",
  "PATCH /sites/{site}/comments/{comment}", "POST /sites/{site}/comments/preview", "POST /sites/{site}/sessions",
  "GET /sites/{site}/polls/{poll}/voters", "POST /sites/{site}/polls/{poll}/options",
  "PUT /sites/{site}/polls/{poll}/vote", "PUT /sites/{site}/notices/push",
  "PATCH /sites/{site}/notices/settings", "GET /sites/{site}/comments/filtered",
  "GET /sites/{site}/mentions", "GET /sites/{site}/reviews", "POST /sites/{site}/reviews",
  "PATCH /sites/{site}/reviews/{review}", "GET /sites/{site}/reviews/summary", "GET /sites/{site}/reviews/ratings",
  "GET /sites/{site}/reviews/order", "GET /sites/{site}/uploads/{upload}", "DELETE /sites/{site}/uploads/{upload}",
]
checks.positive_data_acceptance.enabled = false

[[operations]]
include-name = [
  "POST /sites/{site}/uploads", "PATCH /sites/{site}/uploads/{upload}", "POST /sites/{site}/uploads/{upload}",
  "POST /sites/{site}/chats/{chat}/uploads", "PATCH /sites/{site}/chats/{chat}/uploads/{upload}",
  "POST /sites/{site}/chats/{chat}/uploads/{upload}",
]
enabled = false
"""


class DescriptionTests(ApiCase):
    """Against real sockets."""

    timeout = 600

    async def in_thread(self, *command: str, cwd: Path) -> tuple[int, str]:
        """Run a program; its exit code and all that it said."""

        def run() -> tuple[int, str]:
            ended = subprocess.run(
                command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, errors="replace", timeout=500, check=False,
            )  # fmt: skip
            return ended.returncode, ended.stdout

        return await deferToThread(run)

    async def description(self, folder: Path) -> Path:
        """The description in a file."""
        folder.mkdir(parents=True)
        file = folder / "openapi.json"
        file.write_bytes((await self.ask("GET", "/api/v1/openapi.json")).body)
        return file

    async def test_generated_client(self) -> None:
        """A client that a program made of the description opens a session, writes and reads."""
        folder = Path(self.mktemp()).resolve()
        file = await self.description(folder)
        made = folder / "generated_client"
        code, said = await self.in_thread(
            str(Path(sys.executable).parent / "openapi-python-client"), "generate", "--path", str(file),
            "--output-path", str(made), "--meta", "none", cwd=folder,
        )  # fmt: skip
        self.assertEqual(code, 0, said)
        sys.path.insert(0, str(folder))
        self.addCleanup(sys.path.remove, str(folder))
        url = f"http://127.0.0.1:{self.port}/api/v1"
        seen = await deferToThread(self.use_client, url)
        self.assertEqual(seen, (["<p>from a generated client</p>"], 1))

    @staticmethod
    def use_client(url: str) -> tuple[list[str], int]:
        """What a program does with the generated client."""

        def module(name: str) -> Any:
            return importlib.import_module(f"generated_client.{name}")

        client = module("client").Client(base_url=url)
        opened = module("api.default.open_session").sync(1, client=client)
        mine = module("client").AuthenticatedClient(base_url=url, token=opened.token)
        models = module("models")
        sent = models.PostBody(channel=models.ChannelBody(key="made"), text="from a generated client", name="Ann")
        written = module("api.default.post_comment").sync(1, client=mine, body=sent)
        module("api.default.get_comment").sync(1, written.comment.id, client=client)
        page = module("api.default.list_comments").sync(1, client=client, channel="made")
        return [one.html for one in page.page.comments], page.channel.comments

    async def test_fuzzer(self) -> None:
        """What the description allows is taken, what it does not is refused, and every answer is described."""
        folder = Path(self.mktemp()).resolve()
        await self.description(folder)
        (folder / "schemathesis.toml").write_text(SETTINGS)
        address = f"http://127.0.0.1:{self.port}/api/v1/openapi.json"
        code, said = await self.in_thread(
            str(Path(sys.executable).parent / "schemathesis"), "run", address,
            "--header", f"Authorization: {await self.visitor()}", "--max-examples", "8",
            "--phases", "examples,coverage,fuzzing", "--seed", "1", "--no-color",
            "--exclude-by", "/x-own-pages == true", cwd=folder,
        )  # fmt: skip
        self.assertEqual(code, 0, said.partition(" FAILURES ")[2].partition(" WARNINGS ")[0][:12_000] or said[-6_000:])
        self.assertEqual(self.flushLoggedErrors(), [])
        self.assertEqual(self.infrastructure.metrics.value("http_requests_total", status="500"), 0)
