"""``cackled admin``: sends one operator command to the daemon's admin listener.

Blocking: for the command line only.
"""

from __future__ import annotations

import http.client
import os
import pwd
import socket
from pathlib import Path
from typing import Any

import msgspec

from cackled.admin import secrets
from cackled.admin.endpoints import Place, parse
from cackled.config import Config

LONGEST_ANSWER = 16 * 1024 * 1024
# /healthz needs only a turn of the reactor: a daemon that does not answer it within this many seconds hangs.
HANGS = 4.0


class AdminError(Exception):
    """The command was not carried out; the message is one line."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def send(config: Config, line: str, *, timeout: float = 40.0) -> dict[str, Any]:
    """Have the daemon of *config* run the command *line*; returns ``{"data", "text"}``. *timeout* is in seconds.

    Raises:
        ConfigError: the admin endpoint can't be parsed.
        AdminError: no daemon, no token, or the command was refused.
    """
    place = parse(config.admin.endpoint, "[admin] endpoint")
    try:
        token = secrets.read(Path(config.state) / secrets.TOKEN)
    except secrets.SecretError as error:
        raise AdminError(f"{error}; has the daemon run with this configuration, as this user?") from None
    where = place.path or f"{place.host}:{place.port}"
    _look_alive(place, where, min(HANGS, timeout))
    connection = _connection(place, timeout)
    try:
        connection.request(
            "POST",
            "/admin/command",
            msgspec.json.encode({"line": line}),
            {
                "authorization": f"Bearer {token}",
                "content-type": "application/json",
                "x-cackled-operator": person().encode("utf-8"),
            },
        )
        answer = connection.getresponse()
        body = answer.read(LONGEST_ANSWER)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise AdminError(f"no daemon at {where}: {reason}") from None
    finally:
        connection.close()
    try:
        told = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise AdminError(f"{where} answers {answer.status}, and not as the daemon does") from None
    if answer.status != 200:
        raise AdminError(str(told.get("detail") or told.get("title") or answer.status))
    return told


def _look_alive(place: Place, where: str, timeout: float) -> None:
    """Check that the daemon answers at all: a command may take long, but waiting for a daemon that hangs is useless."""
    connection = _connection(place, timeout)
    try:
        connection.request("GET", "/healthz")
        connection.getresponse().read(1000)
    except TimeoutError:
        raise AdminError(
            f"the daemon at {where} has not answered for {timeout:g} s: it hangs or is overloaded; its log may say why,"
            " and restarting it helps (open pages go elsewhere or come back by themselves)"
        ) from None
    except (OSError, http.client.HTTPException):
        pass  # told in what follows
    finally:
        connection.close()


def person() -> str:
    """The operator's login name as the system knows it, also under sudo and doas."""
    for name in ("SUDO_USER", "DOAS_USER"):
        given = os.environ.get(name, "")
        if given and given.isprintable():
            return given[:64]
    try:
        return pwd.getpwuid(os.getuid()).pw_name[:64]
    except KeyError:
        return f"uid {os.getuid()}"


def _connection(place: Place, timeout: float) -> http.client.HTTPConnection:
    if place.path:
        return _UnixConnection(place.path, timeout)
    # An unspecified address (0.0.0.0, ::) is reached by loopback.
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(place.host, place.host)
    return http.client.HTTPConnection(host, place.port, timeout=timeout)
