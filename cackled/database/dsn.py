"""Connection strings (DSNs): read from the configuration, checked, and completed for our connections."""

from __future__ import annotations

from pathlib import Path

import psycopg2
from msgspec import Struct
from msgspec.structs import replace
from psycopg2.extensions import make_dsn, parse_dsn

from cackled import config

APP_ROLE = "cackled_app"
SYSTEM_ROLE = "cackled_system"


class ServerSettings(Struct, frozen=True):
    """One server: its name in metrics and answers, how to reach it, and whether it is this node's own."""

    name: str
    dsn: str
    local: bool = False


def servers_of(settings: config.Database, embedded: str = "") -> tuple[ServerSettings, ...]:
    """The servers that ``[database]`` names. If it names none: the embedded server, whose DSN is *embedded*.

    Raises:
        config.ConfigError: a DSN can't be parsed, or the password file can't be read.
    """
    if settings.server or settings.dsn:
        return _servers(settings, "primary")
    return _servers(replace(settings, dsn=embedded), "embedded")


def shards_of(settings: config.Database) -> dict[int, tuple[ServerSettings, ...]]:
    """The servers of each ``[[database.shard]]``, by number; their names begin with "shardN/".

    Raises:
        config.ConfigError: as `servers_of`.
    """
    return {
        shard.number: _servers(shard, "primary", f"shard{shard.number}/", settings.password_file)
        for shard in settings.shard
    }


def _servers(
    settings: config.Database | config.Shard, alone: str, prefix: str = "", password_file: str = ""
) -> tuple[ServerSettings, ...]:
    password = ""
    password_file = settings.password_file or password_file
    if password_file:
        try:
            password = Path(password_file).read_text("utf-8-sig").strip()
        except OSError as error:
            raise config.ConfigError(f"{password_file}: {error.strerror or error}") from None
        except UnicodeDecodeError:
            raise config.ConfigError(f"{password_file} is no text in UTF-8") from None
    if settings.server:
        given = [(server.name or f"server{n}", server.dsn, server.local) for n, server in enumerate(settings.server, 1)]
        if len({name for name, _, _ in given}) < len(given):
            raise config.ConfigError("[[database.server]]: two servers share a name")
    else:
        given = [(alone, settings.dsn, False)]
    made = []
    for name, dsn, local in given:
        try:
            check(parse_dsn(dsn))
            dsn = make_dsn(dsn, **({"password": password} if password else {}))
        except psycopg2.Error as error:
            # The message may quote the DSN, and a DSN may hold a password.
            raise config.ConfigError(
                f"[database] the dsn of {prefix}{name} can't be parsed; write "
                '"host=db.example.com dbname=cackled user=cackled" or "postgresql://cackled@db.example.com/cackled"'
            ) from error
        except ValueError as error:
            raise config.ConfigError(f"[database] the dsn of {prefix}{name}: {error}") from None
        made.append(ServerSettings(prefix + name, dsn, local))
    return tuple(made)


# Parameters that libpq checks only when it connects (PostgreSQL 18, section 32.1.2).
_CHOICES = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "channel_binding": ("disable", "prefer", "require"),
    "gssencmode": ("disable", "prefer", "require"),
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
}
_NUMBERS = ("connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count",
            "tcp_user_timeout")  # fmt: skip


def check(given: dict[str, str]) -> None:
    """Check the parameters of a DSN as far as possible without connecting.

    Raises:
        ValueError: one is wrong; the message quotes the wrong value and nothing else.
    """
    for host in given.get("host", "").split(","):
        odd = len(host) > 255 or any(one.isspace() or not one.isprintable() for one in host)
        if odd and not host.startswith("/"):
            raise ValueError(f"{host[:60]!r} is no host name")
    for port in given.get("port", "").split(","):
        if port and not (port.isascii() and port.isdigit() and 0 < int(port[:9]) <= 65_535):
            raise ValueError(f"port {port[:20]!r} is no number from 1 to 65535")
    for name, allowed in _CHOICES.items():
        if given.get(name, allowed[0]) not in allowed:
            raise ValueError(f"{name} is one of {', '.join(allowed)}")
    for name in _NUMBERS:
        text = given.get(name, "0")
        if not text.lstrip("-").isascii() or not text.lstrip("-").isdigit():
            raise ValueError(f"{name} is a number")


def where(dsn: str) -> str:
    """The server that *dsn* means, for operators. The rest of the DSN is left out, as it may hold a password."""
    given = parse_dsn(dsn)
    host = given.get("host") or given.get("hostaddr") or "local"
    return f"PostgreSQL at {host}" + (f", port {given['port']}" if "port" in given else "")


def connection_dsn(
    dsn: str,
    *,
    role: str = "",
    statement_timeout: float = 0.0,
    connect_timeout: float = config.Database().connect_timeout,
    application: str = "cackled",
) -> str:
    """*dsn* with keepalives, time limits (seconds; 0: no limit) and the role that every session starts in."""
    given = parse_dsn(dsn)
    limit = f"-c statement_timeout={statement_timeout * 1000:.0f}"
    options = [given.pop("options", ""), "-c client_min_messages=error", limit]
    if role:
        options.append(f"-c role={role}")
    more: dict[str, object] = {
        "connect_timeout": max(2, round(connect_timeout)),
        "keepalives": 1,
        "keepalives_idle": 15,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 15_000,
        "application_name": application,
        "client_encoding": "UTF8",
        "gssencmode": "disable",
        **given,
        "options": " ".join(options).strip(),
    }
    return make_dsn("", **more)
