"""Access rules of the admin listener. They are decided from the request's head, before any of a body is read.

The listener is on loopback, which every program and every browser of the machine can reach. Any web page may send
requests here, also under its own host name that resolves to this address (DNS rebinding). So the Host is checked, only
holders of the token may send bodies, and connections, time and bytes are bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import IResource

from cackled.admin import secrets
from cackled.admin.endpoints import parse
from cackled.config import Admin, ConfigError, Http
from cackled.metrics import Metrics
from cackled.transport._head import Head, normal_host
from cackled.transport.http import HttpFactory
from cackled.transport.problems import problem
from cackled.transport.response import Response

LONGEST_BODY = 16_384
MOST_CONNECTIONS = 64
# Timeouts in seconds. They are short because clients are on the same machine or network.
HEAD_TIMEOUT = 5.0
BODY_TIMEOUT = 5.0
IDLE_TIMEOUT = 15.0
_LOOPBACK = (b"localhost", b"127.0.0.1", b"[::1]")


def own_names(settings: Admin) -> frozenset[bytes]:
    """Host names accepted in requests: the listener's address, the names of loopback, and ``[admin] hosts``.

    Raises:
        ConfigError: the endpoint can't be parsed, or a name is not valid.
    """
    place = parse(settings.endpoint, "[admin] endpoint")
    names = set(_LOOPBACK)
    if place.host:
        names.add((f"[{place.host}]" if ":" in place.host else place.host).lower().encode())
    return frozenset(names | set(_given(settings.hosts)))


def _given(hosts: Iterable[str]) -> Iterable[bytes]:
    for name in hosts:
        host = normal_host(name.encode("ascii", "replace"))
        if host is None:
            raise ConfigError(f"[admin] hosts: {name!r} is no host name")
        yield host


def guard(names: frozenset[bytes], token: Callable[[], str]) -> Callable[[Head], Response | None]:
    """A function that refuses requests by their head.

    It refuses host names that are not in *names*, and requests with a body or for a command that lack the token.
    *token* returns "" while there is none yet; such requests then get 503.
    """

    def look(head: Head) -> Response | None:
        # Requests without a Host (HTTP/1.0, health checks) pass: no browser sends them.
        if head.host and head.host not in names:
            return problem(421, "unknown-host", "", "The admin listener has no such name; see [admin] hosts.")
        if head.length == 0 and not head.target.lower().startswith(b"/admin/"):
            return None
        known = token()
        if not known:
            return problem(503, "starting", headers=[(b"Retry-After", b"1")])
        if secrets.bears(head.named.get(b"authorization", b""), known):
            return None
        return problem(
            401, "unauthorized", "", "The token of the state directory is needed.",
            headers=[(b"WWW-Authenticate", b'Bearer realm="cackled"')],
        )  # fmt: skip

    return look


def admin_server(
    root: IResource, settings: Admin, clock: IReactorTime, token: Callable[[], str]
) -> HttpFactory:
    """The factory of the admin listener's connections.

    Raises:
        ConfigError: as `own_names`.
    """
    limits = Http(
        max_connections=MOST_CONNECTIONS,
        max_connections_per_address=MOST_CONNECTIONS,
        head_timeout=HEAD_TIMEOUT,
        body_timeout=BODY_TIMEOUT,
        idle_timeout=IDLE_TIMEOUT,
        body_bytes=LONGEST_BODY,
    )
    # Metrics of its own, because those of the public listeners are about visitors.
    return HttpFactory(root, limits, clock, Metrics(), guard=guard(own_names(settings), token))
