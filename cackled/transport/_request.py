"""The request object that resources see, and how a Response leaves through it."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import Any
from urllib.parse import unquote_to_bytes as unquote

from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.reflect import prefixedMethodNames
from twisted.web import server
from twisted.web.error import UnsupportedMethod
from twisted.web.http import datetimeToString
from twisted.web.resource import IResource, Resource, getChildForRequest

from cackled.clock import wall_time
from cackled.transport import _private
from cackled.transport._head import OPEN
from cackled.transport._redact import without_tokens
from cackled.transport.problems import problem, reason
from cackled.transport.response import Response
from cackled.transport.streaming import Body, Sending

SERVER = b"cackled"
# Bodies above this go to a file; caps of that size belong to uploads.
_BODY_IN_MEMORY = 1 << 20
_BODILESS = frozenset((204, 304))

log = Logger()


@lru_cache(maxsize=128)
def status_line(status: int) -> bytes:
    """``HTTP/1.1 200 OK`` with its line end."""
    return b"HTTP/1.1 %d %s\r\n" % (status, reason(status).encode("ascii"))


_date = (0, b"")


def http_date(wall: float) -> bytes:
    """The Date of that second (since 1970), formatted once for all that is sent in it."""
    global _date
    second = int(wall)
    known = _date
    if known[0] != second:
        known = _date = (second, datetimeToString(second))
    return known[1]


def render_head(status: int, headers: list[tuple[bytes, bytes]], length: int | None, *, close: bool = False) -> bytes:
    """A whole response head with Server and Date; *length* None leaves Content-Length out.

    Raises:
        ValueError: a name or value would break out of its line.
    """
    parts = [status_line(status), b"Server: ", SERVER, b"\r\nDate: ", http_date(wall_time()), b"\r\n"]
    for name, value in headers:
        parts += (name, b": ", value, b"\r\n")
    if length is not None:
        parts.append(b"Content-Length: %d\r\n" % length)
    if close:
        parts.append(b"Connection: close\r\n")
    parts.append(b"\r\n")
    made = b"".join(parts)
    # One line each, and nothing but: all of it is looked through at once.
    lines = len(headers) + 4 + (length is not None) + close
    if made.count(b"\r") != lines or made.count(b"\n") != lines or b"\0" in made:
        raise ValueError("a response header holds a line end")
    return made


def arguments(query: bytes) -> dict[bytes, list[bytes]]:
    """The arguments of a query, decoded; as Twisted reads them, empty values too."""
    found: dict[bytes, list[bytes]] = {}
    coded = b"%" in query or b"+" in query
    for item in query.replace(b";", b"&").split(b"&"):
        name, equals, value = item.partition(b"=")
        if not equals:
            continue
        if coded:
            name, value = unquote(name.replace(b"+", b" ")), unquote(value.replace(b"+", b" "))
        if name in found:
            found[name].append(value)
        else:
            found[name] = [value]
    return found


def _inherits_head(resource: Any) -> bool:
    """Whether *resource* answers HEAD as Twisted's do: by a ``render_GET`` that need not be there."""
    kind: Any = type(resource)
    return getattr(kind, "render", None) is Resource.render and kind.render_HEAD is Resource.render_HEAD


class Request(server.Request):
    """A request on a hardened connection.

    Its head is valid, its body is complete and within the cap. ``host`` of the URL is `public_host`; the peer is
    `client_address`. Bodies are never parsed into ``args``.
    """

    # The client is answered as to HEAD, whatever ``method`` says meanwhile.
    channel: Any
    site: Any
    method: bytes = b""
    head_only = False
    public_host = b""
    scheme = b"http"
    no_cache = False
    # False where waiting is intended (a long poll): the time is then not counted as our response time.
    timed = True
    # False where the answer is not for a visitor: a health check was told that this node is not ready.
    counted = True
    accept_encoding = b""
    defaultContentType = None

    def __init__(self, channel: Any) -> None:
        super().__init__(channel, parsePOSTFormSubmission=False)

    def gotLength(self, length: int | None) -> None:
        """Make room for the body; its cap was checked before."""
        if length is None or length > _BODY_IN_MEMORY:
            self.content = SpooledTemporaryFile(_BODY_IN_MEMORY)  # noqa: SIM115 (closed with the request)
        else:
            self.content = BytesIO()

    @property
    def client_address(self) -> str:
        """The client's IP address, trusted proxies seen through (computed once)."""
        known = self.__dict__.get("_client_address")
        if known is None:
            forwarded = self.requestHeaders.getRawHeaders(b"X-Forwarded-For") or ()
            # A body may be looked at before Twisted knows its request's client.
            peer = getattr(self.client or self.channel.getPeer(), "host", "")
            known = self.__dict__["_client_address"] = self.site.proxies.client(peer, forwarded)
        return known

    def doing(self) -> str:
        """What is asked, and from where; nothing in it lets its reader see more."""
        address = without_tokens(self.uri[:1000]).decode("ascii", "replace")
        return f"{self.method.decode('ascii', 'replace')} {address} from {self.client_address}"

    def isSecure(self) -> bool:
        """Whether the browser speaks https, to us or to a trusted proxy."""
        return self.scheme == b"https"

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """The body is there: read the target, and find who answers. Bodies are not looked into."""
        assert self.content is not None
        self.content.seek(0)
        self.method, self.uri, self.clientproto = command, path, version
        self.path, _, query = path.partition(b"?")
        self.args = arguments(query) if query else {}
        self.process()

    def process(self) -> None:
        """Find the resource and let it render."""
        self.prepath = []
        path = self.path[1:].split(b"/")
        self.postpath = [unquote(part) for part in path] if b"%" in self.path else path
        try:
            if self.path == b"*":
                self.respond(Response(204))
                return
            found = getChildForRequest(self.site.root, self)
            if _private.ErrorPage and isinstance(found, _private.ErrorPage):
                self.respond(problem(getattr(found, "code", 404)))
                return
            self.render(found)
        except Exception:
            self.failed(Failure())

    def render(self, resrc: IResource) -> None:
        """Ask *resrc* for the answer; a method it lacks is 405 (HEAD falls back to GET); where it has none, 404."""
        try:
            if self.method == b"HEAD" and not hasattr(resrc, "render_GET") and _inherits_head(resrc):
                raise UnsupportedMethod([name.encode() for name in prefixedMethodNames(type(resrc), "render_")])
            body = resrc.render(self)
        except UnsupportedMethod as error:
            allowed: list[bytes] = list(error.allowedMethods)
            if b"GET" not in allowed and _inherits_head(resrc):
                allowed = [method for method in allowed if method != b"HEAD"]
            if not allowed:
                # It is there for its children.
                self.respond(problem(404))
                return
            if self.method != b"HEAD" or b"GET" not in allowed:
                self.respond(problem(405, headers=[(b"Allow", b", ".join(sorted(allowed)))]))
                return
            self.head_only = True
            self.method = b"GET"
            body = resrc.render(self)
        if body is server.NOT_DONE_YET:
            return
        if isinstance(body, Response):
            self.respond(body)
        elif self.startedWriting:
            raise TypeError("a resource that writes by itself returns NOT_DONE_YET")
        else:
            headers = [(b"Content-Type", b"text/html")] if not self.responseHeaders.hasHeader(b"Content-Type") else []
            self.respond(Response(self.code, headers, body))

    def processingFailed(self, reason: Failure) -> Failure:
        """Twisted's name for `failed`."""
        self.failed(reason)
        return reason

    def failed(self, failure: Failure) -> None:
        """The handler broke: log it, answer 500, tell the client nothing of it."""
        log.failure("{method} {path} failed", failure, method=self.method, path=self.path[:200])
        if self.finished or self._disconnected:
            return
        if self.startedWriting:
            self.channel.abort("handler")
            return
        self.responseHeaders.setRawHeaders(b"Connection", [])
        self.responseHeaders.removeHeader(b"Access-Control-Allow-Origin")
        self.respond(problem(500, "internal", detail="Something went wrong on our side.", headers=[OPEN]))

    def respond(self, response: Response) -> None:
        """Send *response* and finish; does nothing when the client has gone.

        Headers set on the request before come along, those of the response win.
        """
        if self._disconnected or self.finished:
            return
        headers = response.headers
        given = list(self.responseHeaders.getAllRawHeaders())
        if given or self.cookies:
            names = {b"content-length", *(name.lower() for name, _ in headers)}  # the length is ours to tell
            headers = [
                *headers,
                *((n, v) for n, values in given for v in values if n.lower() not in names and n != b"Connection"),
                *((b"Set-Cookie", cookie) for cookie in self.cookies),
            ]
        status = response.status
        stream = response.stream
        size = len(response.body) if stream is None else stream.length
        try:
            head = render_head(
                status, headers, None if status in _BODILESS else size, close=not self.channel.may_persist()
            )
        except ValueError:
            self.failed(Failure())
            return
        if stream is None or not size or self.head_only or self.method == b"HEAD" or status in _BODILESS:
            self.send(head, response.body, status)
            return
        fast = self.site.fast
        if response.hot is not None and fast is not None and not given and self.channel.persistent:
            fast.files.put(self.channel.lane, self.uri, head, response.hot)
        self.channel.write(head)
        self.stream(stream, status)

    def stream(self, body: Body, status: int) -> None:
        """Send *body* and finish; its head is written."""
        self.code = status
        self.startedWriting = 1
        # The client's reading is no time of ours.
        self.timed = False
        Sending(self, body).start()

    def send(self, head: bytes, body: bytes, status: int) -> None:
        """Write finished bytes as the whole answer and finish (the head says whether the connection closes)."""
        if self._disconnected or self.finished:
            return
        self.code = status
        self.startedWriting = 1
        if self.head_only or self.method == b"HEAD" or status in _BODILESS:
            self.channel.write(head)
        else:
            self.sentLength = len(body)
            self.channel.write(head + body if len(body) < 65536 else head)
            if len(body) >= 65536:
                self.channel.write(body)
        self.finish()

    def write(self, data: bytes) -> None:
        """Stream: the first write sends the head, with our Server and Date."""
        if not self.startedWriting:
            fields = self.responseHeaders
            fields.setRawHeaders(b"Server", [SERVER])
            fields.setRawHeaders(b"Date", [http_date(wall_time())])
            if not self.channel.may_persist():
                fields.setRawHeaders(b"Connection", [b"close"])
        super().write(b"" if self.head_only else data)
