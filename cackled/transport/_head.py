"""The head of a request: one strict parser for every path through the server.

Stricter than RFC 9112 wherever two parsers could disagree.
"""

from __future__ import annotations

import re
from functools import lru_cache

from cackled.transport.problems import problem
from cackled.transport.response import Response

# Lanes: connections for which the same raw head means the same. Bits.
LANE_TLS = 1
LANE_PROXY = 2

METHODS = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"))
ALLOW = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
# Methods that exist but are not supported here; others are unknown.
_REFUSED_METHODS = frozenset((b"CONNECT", b"TRACE", b"TRACK"))

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
# Possessive quantifiers: no head can make the match backtrack.
_HEAD = re.compile(
    rb"(" + _TOKEN + rb") ([\x21-\x7e]++) HTTP/1\.([01])\r\n((?:" + _TOKEN + rb":[\t\x20-\x7e\x80-\xff]*+\r\n)*+)\r\n"
)
_FIELD = re.compile(rb"([^:]++):[ \t]*+((?:[^\r]*[^\r \t])?+)[ \t]*+\r\n")
_TRAILER = re.compile(_TOKEN + rb":[\t\x20-\x7e\x80-\xff]*+")
_LINE = re.compile(rb"(" + _TOKEN + rb") ([^ ]++) HTTP/([0-9])\.([0-9])")
_STRAY = re.compile(rb"(?<!\r)\n|\r(?!\n)(?!\Z)")
_EMPTY = re.compile(rb"(?:\r\n)++")
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9_])?)\.?(?::[0-9]{1,5})?")
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)([/?].*)?", re.IGNORECASE | re.DOTALL)
_MCNC = re.compile(rb"(?:^|[;, ])_mcnc=")
# What balancers ask, often in HTTP/1.0 without a Host field (HAProxy's "option httpchk"), or by an address.
_HEALTH = frozenset((b"/healthz", b"/readyz"))
# Fields that decide about framing or trust: a second one is an error.
_ONCE = frozenset((b"host", b"content-length", b"transfer-encoding", b"expect", b"authorization", b"upgrade"))


# Scripts of any page may read why a request was refused: the answer holds no personal data.
OPEN = (b"Access-Control-Allow-Origin", b"*")


class Refused(Exception):
    """The request can't be served; holds the answer. The connection must be closed."""

    def __init__(self, response: Response, why: str) -> None:
        super().__init__(why)
        self.response = response
        self.why = why
        # Set where the request was a HEAD: its answer has no body, even this one.
        self.head_only = False


def refusal(status: int, why: str, detail: str = "", headers: list[tuple[bytes, bytes]] | None = None) -> Refused:
    """A `Refused` with a problem document; *why* is the short reason in the metrics."""
    return Refused(problem(status, "", "", detail, headers=[OPEN, *(headers or ())]), why)


class Head:
    """A valid head: ``target`` in origin form (or ``*``), ``host`` in lower case without port, ``fields`` as received.

    The names in ``named`` are lower case.
    """

    __slots__ = (
        "expects", "fields", "host", "length", "method", "named", "no_cache", "persistent", "repeats", "target",
        "version",
    )  # fmt: skip

    def __init__(
        self, method: bytes, target: bytes, minor: bytes, fields: list[tuple[bytes, bytes]], named: dict[bytes, bytes]
    ) -> None:
        self.method = method
        self.target = target
        self.version = b"HTTP/1." + minor
        self.fields = fields
        # name -> last value; fields that must not repeat are checked by `parse`.
        self.named = named
        # Whether any name stands more than once.
        self.repeats = False
        # Whether the microcache must be bypassed: credentials, or the marker of a recent write.
        self.no_cache = False
        self.host = b""
        # Bytes of the body; None when chunked.
        self.length: int | None = 0
        self.persistent = minor == b"1"
        self.expects = False

    def joined(self, name: bytes) -> bytes:
        """All values of *name* as one list (RFC 9110 section 5.3)."""
        if self.repeats:
            return b", ".join([value for key, value in self.fields if key.lower() == name])
        return self.named.get(name, b"")


def stray_line_end(data: bytes, start: int = 0) -> bool:
    """Whether *data* holds a CR or LF that is no part of a CRLF (a CR at the very end may still become one)."""
    return _STRAY.search(data, start) is not None


def skip_empty_lines(data: bytes) -> bytes:
    """*data* without the empty lines before a head: some clients end a body with too many (RFC 9112 section 2.2)."""
    match = _EMPTY.match(data)
    return data if match is None else data[match.end() :]


def check_trailers(lines: list[bytes]) -> None:
    """Check that the lines after a chunked body are valid fields, although they are not used.

    Raises:
        Refused: another parser might see the end of the request somewhere in *lines*.
    """
    if not all(_TRAILER.fullmatch(line) for line in lines):
        raise refusal(400, "framing", "The trailer section is malformed.")


def parse(raw: bytes, max_fields: int, hosts: frozenset[bytes] = frozenset()) -> Head:
    """Read a complete head, up to and including the empty line.

    *hosts* are the names answered to, lower case; empty: any well-formed name. Health is answered under any name, and
    in HTTP/1.0 without one.

    Raises:
        Refused: with the status RFC 9110 and 9112 ask for.
    """
    try:
        return _parse(raw, max_fields, hosts)
    except Refused as error:
        error.head_only = raw.startswith(b"HEAD ")
        raise


def _parse(raw: bytes, max_fields: int, hosts: frozenset[bytes]) -> Head:
    match = _HEAD.fullmatch(raw)
    if match is None:
        raise _why_not(raw)
    method, target, minor, block = match.groups()
    fields = _FIELD.findall(block)
    named = {name.lower(): value for name, value in fields}
    head = Head(method, target, minor, fields, named)
    if len(fields) > max_fields:
        raise refusal(431, "fields", "Too many header fields.")
    if len(named) != len(fields):
        head.repeats = True
        names = [name.lower() for name, _ in fields]
        for name in _ONCE:
            if names.count(name) > 1:
                raise refusal(400, "repeated", f"More than one {name.decode('ascii')} field.")
    if method not in METHODS:
        if method in _REFUSED_METHODS:
            raise refusal(405, "method", "", [(b"Allow", ALLOW)])
        raise refusal(501, "method", "This method is not known here.")
    _check_host(head, hosts)
    _check_target(head)
    _check_body(head)
    if named.get(b"connection", b"keep-alive") != b"keep-alive" or head.repeats:
        _check_connection(head)
    if b"authorization" in named:
        head.no_cache = True
    elif b"cookie" in named:
        cookies = head.joined(b"cookie")
        head.no_cache = b"_mcnc=" in cookies and _MCNC.search(cookies) is not None
    return head


@lru_cache(maxsize=1024)
def normal_host(raw: bytes) -> bytes | None:
    """A Host value in lower case without its port and final dot; None when it is none (RFC 9110 section 7.2)."""
    match = _HOST.fullmatch(raw)
    if match is None or b".." in raw:
        return None
    return match[1].lower()


def _check_host(head: Head, hosts: frozenset[bytes]) -> None:
    raw = head.named.get(b"host")
    health = head.target.partition(b"?")[0] in _HEALTH
    if raw is None:
        if health and head.version == b"HTTP/1.0":
            return
        raise refusal(400, "host", "A request needs a Host field.")
    host = normal_host(raw)
    if host is None:
        raise refusal(400, "host", "The Host field is no host name.")
    if hosts and host not in hosts and not health:
        raise refusal(421, "unknown-host", "This server does not answer to that name.")
    head.host = host


def _check_target(head: Head) -> None:
    target = head.target
    if b"#" in target:
        raise refusal(400, "target", "A request target has no fragment.")
    if target.startswith(b"/"):
        return
    if target == b"*" and head.method == b"OPTIONS":
        return
    match = _ABSOLUTE.fullmatch(target)
    if match is None or normal_host(match[1]) != head.host:
        raise refusal(400, "target", "The request target does not agree with the Host field.")
    rest = match[2] or b"/"
    head.target = rest if rest.startswith(b"/") else b"/" + rest


def _check_body(head: Head) -> None:
    named = head.named
    length = named.get(b"content-length")
    coding = named.get(b"transfer-encoding")
    if coding is not None:
        if length is not None or head.version == b"HTTP/1.0" or coding.lower() != b"chunked":
            raise refusal(400, "framing", "Transfer-Encoding may only be chunked, alone, and on HTTP/1.1.")
        head.length = None
    elif length is not None:
        if not length.isdigit() or len(length) > 18:
            raise refusal(400, "framing", "Content-Length is no number.")
        head.length = int(length)
    if head.length != 0 and head.method in (b"GET", b"HEAD"):
        raise refusal(400, "framing", "A request of this method has no body.")
    expect = named.get(b"expect")
    if expect is not None:
        if expect.lower() != b"100-continue":
            raise refusal(417, "expect")
        head.expects = head.version == b"HTTP/1.1" and head.length != 0


def _check_connection(head: Head) -> None:
    if head.named.get(b"connection") == b"Upgrade" and not head.repeats:
        return
    for token in head.joined(b"connection").lower().split(b","):
        if token.strip() == b"close":
            head.persistent = False


def _why_not(raw: bytes) -> Refused:
    """Why *raw* is not a valid head. Called only after parsing has failed."""
    line, _, rest = raw.partition(b"\r\n")
    if stray_line_end(raw):
        return refusal(400, "line-end", "Lines end with CR LF.")
    match = _LINE.fullmatch(line)
    if match is None:
        return refusal(400, "request-line", "The request line is malformed.")
    if (match[3], match[4]) not in ((b"1", b"0"), (b"1", b"1")):
        return refusal(505, "version")
    if rest[:1] in (b" ", b"\t") or b"\r\n " in rest or b"\r\n\t" in rest:
        return refusal(400, "obs-fold", "Header fields may not be folded.")
    return refusal(400, "field", "A header field or the target is malformed.")
