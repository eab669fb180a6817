"""Sections of the configuration about people: who administers, signs in, is written to, and may do how much.

Base layer: imports the standard library and msgspec only.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from cackled.config_base import MIB, Natural, PositiveFloat, PositiveInt, Section


class Manhole(Section, frozen=True):
    """``[manhole]``: the telnet console; loopback only, the password is clear text on the wire."""

    enabled: bool = True
    endpoint: str = "tcp:2300:interface=127.0.0.1"
    user: str = "admin"


class Admin(Section, frozen=True):
    """``[admin]``: the HTTP listener of health, metrics and operator commands."""

    endpoint: str = "tcp:8081:interface=127.0.0.1"
    # Names that it is asked by, beside its address and localhost; others are refused, so that no page of a stranger can
    # read it through a name of his own.
    hosts: tuple[str, ...] = ()


class Log(Section, frozen=True):
    """``[log]``; ``auto`` is text on a terminal and JSON everywhere else."""

    level: Literal["debug", "info", "warn", "error"] = "info"
    format: Literal["auto", "json", "text"] = "auto"


class Rate(Section, frozen=True):
    """``[limits.calls."comments.post"]``: calls a second and at once of one address, and a second of a whole site."""

    rate: PositiveFloat
    burst: PositiveFloat
    site_rate: PositiveFloat | None = None


class Limits(Section, frozen=True):
    """``[limits]``: what one visitor may do, per second and at once (burst); the rest gets 429 with Retry-After."""

    # Addresses (CIDR) that no limit applies to: load tests, own services.
    exempt: tuple[str, ...] = ()
    # Names that limits had before; [limits.calls] below goes before them.
    posts_per_address: PositiveFloat | None = None
    posts_burst: PositiveInt | None = None
    posts_per_site: PositiveFloat | None = None
    votes_per_address: PositiveFloat | None = None
    votes_burst: PositiveInt | None = None
    reads_per_address: PositiveFloat | None = None
    reads_burst: PositiveInt | None = None
    sessions_per_address: PositiveFloat | None = None
    sessions_burst: PositiveInt | None = None
    calls: dict[str, Rate] = {}


class Outbound(Section, frozen=True):
    """``[outbound]``: where webhooks may be sent to; only public addresses otherwise."""

    ports: tuple[PositiveInt, ...] = (80, 443)
    # Networks (CIDR) that may be sent to although they are not public: receivers in your own network.
    networks: tuple[str, ...] = ()


class Mail(Section, frozen=True):
    """``[mail]``: the server that takes messages to moderators; without a host none are sent."""

    host: str = ""
    # 0: 587 for starttls, 465 for tls, 25 for none.
    port: Annotated[int, Meta(ge=0, le=65_535)] = 0
    tls: Literal["starttls", "tls", "none"] = "starttls"
    # The authority of the server's certificate (PEM), where it is not one of the system's.
    ca_file: str = ""
    username: str = ""
    password_file: str = ""
    # From whom.
    sender: Annotated[str, Meta(pattern="^[!-~]+@[!-~]+$", max_length=250)] = "comments@localhost"
    # Base URL of links to remove and ban; empty: the deployment's, else the node's; without one there are no links.
    url: Annotated[str, Meta(pattern="^(https?://[!-~]+)?$", max_length=250)] = ""
    timeout: PositiveFloat = 30.0
    # Answers of visitors to letters about chats: the address that your mail server delivers here, with whatever stands
    # behind a plus sign, and where we take them by SMTP. Port 0: none are taken.
    replies: Annotated[str, Meta(pattern="^([!-~]+@[!-~]+)?$", max_length=120)] = ""
    replies_interface: str = "127.0.0.1"
    replies_port: Annotated[int, Meta(ge=0, le=65_535)] = 0


class Accounts(Section, frozen=True):
    """``[accounts]``: who may have an account for the panel."""

    # "open": whoever proves a mail address, and makes sites; "invite": whom a site's owner invites; "closed": only whom
    # an operator adds (cackled admin account add).
    signup: Literal["open", "invite", "closed"] = "invite"
    # Sites that one account may make where sign-up is open.
    sites: PositiveInt = 5
    # What proof of a host is looked up with, "address" or "address:port"; empty: the system's name servers.
    resolver: str = ""


_PORT = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"


class Media(Section, frozen=True):
    """``[media]``: where files of pictures are kept."""

    # "folder": of this machine; "database": all nodes reach it; "s3": [media_s3]; "auto": a folder where this is the
    # only node, else the database.
    origin: Literal["auto", "folder", "database", "s3"] = "auto"
    # Empty: media, in the folder of the state.
    folder: str = ""
    # What a node keeps on its own disk of files that are elsewhere: bytes (0: nothing) and files at most, and where;
    # empty: media-cache, in the folder of the state.
    cache_bytes: Natural = 4096 * MIB
    cache_files: PositiveInt = 100_000
    cache_folder: str = ""
    # A clamd that is asked about each file: unix:/path or host:port. While it can't be asked no file is taken.
    clamd: Annotated[str, Meta(pattern=r"^(|unix:/[!-~]+|[0-9A-Za-z.:\[\]-]+:" + _PORT + r")$", max_length=200)] = ""


class MediaS3(Section, frozen=True):
    """``[media_s3]``: storage that speaks S3, for ``[media] origin = "s3"``."""

    # https://s3.eu-central-1.amazonaws.com, http://127.0.0.1:9000
    endpoint: Annotated[str, Meta(pattern=r"^(|https?://[!-.0-~]+/?)$", max_length=250)] = ""
    bucket: Annotated[str, Meta(pattern=r"^[a-z0-9.-]{0,63}$")] = ""
    region: Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,40}$")] = "us-east-1"
    # What all keys begin with.
    prefix: Annotated[str, Meta(pattern=r"^([A-Za-z0-9_-]+/)*$", max_length=200)] = ""
    access_key: Annotated[str, Meta(pattern=r"^[!-~]*$", max_length=200)] = ""
    secret_key_file: str = ""
    # Whether the bucket stands in the path (endpoint/bucket/key) or in the host's name.
    path_style: bool = True


class Demo(Section, frozen=True):
    """``[demo]``: site 1 with its lively pages."""

    enabled: bool = True
