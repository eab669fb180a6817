"""HTTP for operators and monitoring: health, metrics, and the operator commands.

Works under any ``Site`` or `HttpFactory`; `healthz` and `readyz` are used on the public listeners as well. Other users
of the machine can reach the loopback listener, so commands need the bearer token of the state directory.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from cackled import __version__
from cackled.admin import secrets
from cackled.admin.commands import Quit, Runner
from cackled.admin.endpoints import require_local
from cackled.admin.health import Health
from cackled.admin.render import as_text
from cackled.domain.commands import CommandError
from cackled.metrics import Metrics
from cackled.problems import Problem
from cackled.transport.problems import problem as document
from cackled.transport.resources import Folder, put
from cackled.transport.response import JSON, Response

log = Logger()

LONGEST_BODY = 16_384
# The caller's name, for the audit log.
OPERATOR = b"x-cackled-operator"
LONGEST_NAME = 64
_TEXT = b"text/plain; charset=utf-8"
# The format that every scraper accepts.
_METRICS = b"text/plain; version=0.0.4; charset=utf-8"
_INDEX = f"""cackled {__version__}
GET  /healthz        the process answers
GET  /readyz         fit to serve, with its checks
GET  /metrics        Prometheus
POST /admin/command  {{"line": "status"}} with Authorization: Bearer <state>/admin-token
"""


class Line(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of ``POST /admin/command``."""

    line: str


def check(endpoint: str) -> None:
    """Refuse an endpoint of the admin listener that is neither loopback nor in a private network.

    Raises:
        ConfigError: one line with a remedy.
    """
    require_local(endpoint, "[admin] endpoint", private=True)


def answer(request: Request, status: int, body: bytes, kind: bytes = JSON) -> bytes:
    """Set status and headers for *body*, and return it."""
    fields = [(b"content-type", kind), (b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
    return put(request, Response(status, fields, body))


def problem(request: Request, status: int, slug: str = "", title: str = "", detail: str = "") -> bytes:
    """An RFC 9457 problem document: see `cackled.transport.problems.problem`."""
    fields = [(b"x-content-type-options", b"nosniff")]
    return put(request, document(status, slug, title, detail, headers=fields))


class _Leaf(Resource):
    isLeaf = True


class Healthz(_Leaf):
    """``/healthz``: 200 while the process answers. Does no I/O."""

    def render_GET(self, request: Request) -> bytes:
        """Answer "ok"."""
        return answer(request, 200, b"ok\n", _TEXT)

    # HAProxy's "option httpchk /healthz" sends this.
    render_OPTIONS = render_GET


class Readyz(_Leaf):
    """``/readyz``: 200 when every check passes, else 503; the checks by name.

    Args:
        details: show what is wrong; without it only ``failed`` (for the public listeners).
        problems: gives all present problems, also those that do not make the node unready; without *details* only their
            names are shown.
        deployment: included in the answer, so that nodes of another deployment recognise a foreign node.
    """

    def __init__(
        self, health: Health, *, details: bool = True, deployment: str = "",
        problems: Callable[[], list[Problem]] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self._problems = problems
        self._also = {"deployment": deployment} if deployment else {}
        self._health = health
        self._details = details

    def render_GET(self, request: Request) -> int:
        """Run the checks, and answer when they are done."""
        _answer_later(request, self._look(request))
        return NOT_DONE_YET

    # HAProxy's "option httpchk /readyz" sends this.
    render_OPTIONS = render_GET

    async def _look(self, request: Any) -> bytes:
        found = await self._health.look()
        checks = found.checks
        if not self._details:
            checks = {name: "ok" if outcome == "ok" else "failed" for name, outcome in checks.items()}
        if not found.ready:
            request.setHeader(b"retry-after", b"2")
            # Not a refused visitor: it must not count as an error in the figures of the public listeners.
            request.counted = False
        body: dict[str, Any] = {"ready": found.ready, "checks": checks, **self._also}
        if self._problems is not None:
            wrong = self._problems()
            body["problems"] = wrong if self._details else sorted({one.name for one in wrong})
        return answer(request, 200 if found.ready else 503, msgspec.json.encode(body) + b"\n")


class MetricsPage(_Leaf):
    """``/metrics`` for Prometheus. The readiness checks run first, so that their figure is up to date."""

    def __init__(self, render: Callable[[], bytes | Awaitable[bytes]], health: Health) -> None:
        super().__init__()
        self._render = render
        self._health = health

    def render_GET(self, request: Request) -> int:
        """All figures."""
        _answer_later(request, self._figures(request))
        return NOT_DONE_YET

    async def _figures(self, request: Request) -> bytes:
        await self._health.look()
        page = self._render()
        return answer(request, 200, page if isinstance(page, bytes) else await page, _METRICS)


def who(request: Request) -> str:
    """The operator's name for the audit log: as ``cackled admin`` sends it, with the client's address.

    The caller has the token, so the name is trusted. Without a name the address is used.
    """
    told = (request.getHeader(OPERATOR) or b"").decode("utf-8", "replace").strip()
    name = told if told.isprintable() and 0 < len(told) <= LONGEST_NAME else "somebody"
    address = getattr(request.client, "host", None)
    return f"{name}@{address or 'unix'} (http)"


class CommandPage(_Leaf):
    """``POST /admin/command``: one operator command; the answer as data and as text."""

    def __init__(self, runner: Runner, token: str) -> None:
        super().__init__()
        self._runner = runner
        self._token = token

    def render_POST(self, request: Request) -> bytes | int:
        """Check the token, then the body, then run the command."""
        if not secrets.bears(request.getHeader(b"authorization") or b"", self._token):
            request.setHeader(b"www-authenticate", b'Bearer realm="cackled"')
            return problem(request, 401, detail="The token of the state directory is needed.")
        content: Any = request.content
        raw = content.read(LONGEST_BODY + 1)
        if len(raw) > LONGEST_BODY:
            return problem(request, 413)
        try:
            line = msgspec.json.decode(raw, type=Line).line
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return problem(request, 400, detail=str(error))
        _answer_later(request, self._run(request, line))
        return NOT_DONE_YET

    async def _run(self, request: Request, line: str) -> bytes:
        try:
            data = await self._runner.run(line, who(request))
        except CommandError as error:
            return problem(request, 422, "command", "The command was refused", str(error))
        except Quit:
            return problem(request, 422, "command", "The command was refused", "only a telnet session can be quit")
        return answer(request, 200, msgspec.json.encode({"data": data, "text": as_text(data)}))


class _Index(_Leaf):
    def render_GET(self, request: Request) -> bytes:
        return answer(request, 200, _INDEX.encode(), _TEXT)


def admin_resource(
    *,
    health: Health,
    metrics: Metrics,
    runner: Runner,
    token: str,
    render: Callable[[], bytes | Awaitable[bytes]] | None = None,
    problems: Callable[[], list[Problem]] | None = None,
) -> Resource:
    """The resource tree of the admin listener. *render* makes the metrics page if it has more than *metrics*."""
    root, admin = Folder(), Folder()
    root.putChild(b"", _Index())
    root.putChild(b"healthz", Healthz())
    root.putChild(b"readyz", Readyz(health, problems=problems))
    root.putChild(b"metrics", MetricsPage(render or metrics.render, health))
    root.putChild(b"admin", admin)
    admin.putChild(b"command", CommandPage(runner, token))
    return root


def _answer_later(request: Request, work: Any) -> None:
    gone: list[object] = []
    request.notifyFinish().addErrback(gone.append)

    def send(body: bytes) -> None:
        if not gone:
            request.write(body)
            request.finish()

    def fail(failure: Failure) -> None:
        log.failure("admin request failed", failure)
        if not gone:
            send(problem(request, 500))

    Deferred.fromCoroutine(work).addCallbacks(send, fail)
