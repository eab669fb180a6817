"""Configuration: a TOML file, every key with a default, wrong keys and types named with their path.

Base layer: imports the standard library and msgspec only. Sizes are bytes and times are seconds everywhere. A listener
is a Twisted endpoint string. Secrets are named by file (``*_file``), never written inline.
"""

from __future__ import annotations

import re
import tomllib
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, inspect

from cackled.config_base import MIB, Natural, NaturalFloat, PositiveFloat, PositiveInt, Section
from cackled.config_base import ConfigError as ConfigError
from cackled.config_people import Accounts as Accounts
from cackled.config_people import Admin as Admin
from cackled.config_people import Demo as Demo
from cackled.config_people import Limits as Limits
from cackled.config_people import Log as Log
from cackled.config_people import Mail as Mail
from cackled.config_people import Manhole as Manhole
from cackled.config_people import Media as Media
from cackled.config_people import MediaS3 as MediaS3
from cackled.config_people import Outbound as Outbound
from cackled.config_people import Rate as Rate

_DEPLOYMENT = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class Listen(Section, frozen=True):
    """One public listener, ``[[listen]]``."""

    endpoint: str = "tcp:8080:interface=127.0.0.1"
    # Networks (CIDR) of load balancers that speak the PROXY protocol. Where there are any, every connection here has to
    # come from them and to begin with its header.
    proxy: tuple[str, ...] = ()
    # Send visitors of our own pages to https; what sites embed is answered as ever.
    redirect: bool = False


class Http(Section, frozen=True):
    """``[http]``: what the public listeners accept."""

    # Names this server answers to; others get 421. Empty: any well-formed name (one machine, development).
    hosts: tuple[str, ...] = ()
    # Networks whose X-Forwarded-For / -Proto are believed, as CIDR.
    trusted_proxies: tuple[str, ...] = ()
    max_connections: PositiveInt = 10_000
    max_connections_per_address: PositiveInt = 1_000
    head_timeout: PositiveFloat = 10.0
    head_bytes: PositiveInt = 8_192
    head_fields: PositiveInt = 64
    idle_timeout: PositiveFloat = 30.0
    body_timeout: PositiveFloat = 15.0
    body_bytes: PositiveInt = 65_536
    # A client that takes less than 1 KB of an answer in so long is cut off; who acknowledges nothing, in twice that.
    stall_timeout: PositiveFloat = 15.0
    # Bytes that may wait in memory for clients who don't read: of one address, and of all. Above that, those for whom
    # most waits are cut off.
    buffer_bytes_per_address: PositiveInt = 32 * MIB
    buffer_bytes: PositiveInt = 256 * MIB
    # HTTP/2 over TLS; a request costs several times as much as over HTTP/1.1. Needs the extra "http2".
    http2: bool = False
    # Seconds for which browsers are told to use our own pages over https only (HSTS); 0: they are not told.
    hsts: Natural = 0
    # Where a certificate client puts its answers (webroot); served under /.well-known/acme-challenge/.
    acme_folder: str = ""
    access_log: bool = False


class Microcache(Section, frozen=True):
    """``[microcache]``: finished answers of public routes, kept for a moment."""

    ttl: PositiveFloat = 3.0
    stale_while_revalidate: NaturalFloat = 10.0
    stale_if_error: NaturalFloat = 120.0
    max_bytes: PositiveInt = 64 * MIB
    entry_bytes: PositiveInt = 2 * MIB


class Cache(Section, frozen=True):
    """``[cache]``: the soft cache before PostgreSQL."""

    max_bytes: PositiveInt = 256 * MIB
    ttl: PositiveFloat = 300.0
    # Resident memory of the process the governor aims at; 0: from the cgroup and the machine.
    target_bytes: Natural = 0
    # Memory of the machine that is never counted as free.
    reserve_bytes: Natural = 256 * MIB
    idle_seconds_per_free_mib: PositiveFloat = 1.0


class DatabaseServer(Section, frozen=True):
    """``[[database.server]]``: one PostgreSQL server; its role is discovered."""

    dsn: str
    name: str = ""
    # This node's own server: reads that may go anywhere near go there first.
    local: bool = False


class Shard(Section, frozen=True):
    """``[[database.shard]]``: another database that holds sites; ``[database]`` is shard 0. Its replicas are listed as
    ``[[database.shard.server]]``, as in ``[[database.server]]``."""

    number: Annotated[int, Meta(ge=1, le=63)]
    dsn: str = ""
    password_file: str = ""
    server: tuple[DatabaseServer, ...] = ()
    # How the servers of other shards reach this one's primary while sites are moved, where that is not its dsn.
    peer: str = ""


class Database(Section, frozen=True):
    """``[database]``: an embedded server unless ``dsn`` or servers are given."""

    dsn: str = ""
    password_file: str = ""
    server: tuple[DatabaseServer, ...] = ()
    connections: PositiveInt = 8
    max_waiting: PositiveInt = 1_000
    wait_timeout: PositiveFloat = 2.0
    statement_timeout: PositiveFloat = 5.0
    connect_timeout: PositiveInt = 3
    # A replica further behind than this is not read from while another server answers.
    max_staleness: PositiveFloat = 60.0
    # Rows of the event log are kept this long.
    event_retention: PositiveFloat = 48 * 3600.0
    # As in [[database.shard]]. Without shards nothing here is used.
    peer: str = ""
    shard: tuple[Shard, ...] = ()


class Realtime(Section, frozen=True):
    """``[realtime]``: history, buffers and heartbeats of live connections."""

    history_events: PositiveInt = 100
    history_seconds: PositiveFloat = 600.0
    history_bytes: PositiveInt = 64 * MIB
    client_buffer: PositiveInt = 256 * 1024
    heartbeat: PositiveFloat = 25.0
    max_subscriptions: PositiveInt = 100
    max_message: PositiveInt = 16 * 1024
    poll_wait: PositiveFloat = 25.0
    drain_seconds: NaturalFloat = 5.0
    presence: bool = True
    typing: bool = True


class Geo(Section, frozen=True):
    """``[geo]``: MMDB files and where in their records the fields are."""

    files: tuple[str, ...] = ()
    country: str = "country/iso_code"
    continent: str = "continent/code"
    latitude: str = "location/latitude"
    longitude: str = "location/longitude"


class Dns(Section, frozen=True):
    """``[dns]``: the authoritative server."""

    enabled: bool = True
    # Addresses "host:port"; each is served over UDP and TCP.
    listen: tuple[str, ...] = ("127.0.0.1:5300",)
    # A zone file; empty: a zone is made from the nodes and the keys below.
    zone_file: str = ""
    origin: str = "cackle.test."
    # Owner names (relative to the origin) that answer with the nearest live nodes.
    geo_names: tuple[str, ...] = ("@", "www", "rt",)
    ttl: PositiveInt = 30
    answers: PositiveInt = 2
    nsid: str = ""
    max_tcp: PositiveInt = 200
    axfr_from: tuple[str, ...] = ()
    # Equal answers per second to one network (/24, /56) over UDP; 0: no limit. Over it one of "slip" is sent
    # truncated, which a real client asks again over TCP; the others are dropped.
    rate: Natural = 200
    slip: Natural = 2
    # Who has no limit, nor must prove its address before it gets more than twice the bytes of its query.
    rate_exempt: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    # Many datagrams to a system call (recvmmsg) where the system can.
    batch: bool = True
    # Files of DNSSEC keys, which "cackled dns key" makes, the same on every node; the first signs, all are published.
    # Empty: nothing is signed.
    keys: tuple[str, ...] = ()
    # Signatures per second for names that are not in the zone, or only by a wildcard.
    signatures: PositiveInt = 1_000


class Mesh(Section, frozen=True):
    """``[mesh]``: links between nodes under mutual TLS; each of ``[[nodes]]`` has an address ``mesh`` then."""

    # Where ca.pem, NODE.pem and NODE.key are, which "cackled mesh" makes. Empty: no mesh; the other nodes are asked for
    # their /readyz, and presence and typing stay within a node.
    folder: str = ""
    # "host:port" to listen on, where that is not the own node's "mesh" (0.0.0.0:7946, behind address translation).
    listen: str = ""


class Discovery(Section, frozen=True):
    """``[discovery]``: nodes announce themselves in the database and find each other there; each lists itself."""

    enabled: bool = False
    # Seconds between two announcements.
    interval: PositiveFloat = 10.0
    # A node that has not announced itself for so long is forgotten.
    forget: PositiveFloat = 86_400.0
    # Names that are never taken from the database; read again at SIGHUP.
    refuse: tuple[str, ...] = ()


class Redis(Section, frozen=True):
    """``[redis]``: a Redis or Valkey beside the workers, for what lasts a moment: presence, typing, shared limits."""

    # "redis://host:6379", "rediss://host:6380" (TLS), or "unix:///run/valkey/valkey.sock". Each node has its own.
    url: str = ""
    # A user of its access list; empty: the default user.
    username: str = ""
    password_file: str = ""
    # With rediss: who signed the server's certificate, a PEM file; empty: the authorities of the system.
    ca_file: str = ""


class Node(Section, frozen=True):
    """``[[nodes]]``: one node of the cluster, as others and browsers reach it; the same list on every node."""

    name: str
    # Public addresses for DNS.
    addresses: tuple[str, ...] = ("127.0.0.1",)
    # Base URL that browsers use; empty: the address the loader itself was fetched from.
    url: str = ""
    # Where other nodes reach it, "host:port"; with [mesh].
    mesh: str = ""
    weight: PositiveInt = 1
    latitude: Annotated[float, Meta(ge=-90, le=90)] | None = None
    longitude: Annotated[float, Meta(ge=-180, le=180)] | None = None


class Deployment(Section, frozen=True):
    """``[[deployments]]``: where sites may live, this node's own deployment too; the same list on every node of all."""

    name: str
    # Base URL of its loader and API: visitors of its sites are sent there.
    url: str
    # The first and the last number of its sites.
    sites: tuple[PositiveInt, PositiveInt]
    # Addresses of its name servers: NAME.<dns origin> is delegated to them. Empty: it is not.
    dns: tuple[str, ...] = ()


class Config(Section, frozen=True):
    """The whole file."""

    # Where everything that must outlive a restart is kept.
    state: str = "var"
    node: str = "local"
    # What this node and its database belong to; sites of one deployment are nowhere else.
    deployment: str = "global"
    # Seconds given to requests and clients after SIGTERM; the process is gone by then.
    shutdown_timeout: PositiveFloat = 8.0
    # Processes that serve HTTP and realtime, for machines of several cores; they need [redis]. 0: one process does all.
    # What is counted per process ([http] max_connections, [cache], [database] connections) counts for each of them.
    workers: Annotated[int, Meta(ge=0, le=64)] = 0
    listen: tuple[Listen, ...] = (Listen(),)
    http: Http = Http()
    microcache: Microcache = Microcache()
    cache: Cache = Cache()
    database: Database = Database()
    realtime: Realtime = Realtime()
    geo: Geo = Geo()
    dns: Dns = Dns()
    nodes: tuple[Node, ...] = ()
    deployments: tuple[Deployment, ...] = ()
    mesh: Mesh = Mesh()
    discovery: Discovery = Discovery()
    redis: Redis = Redis()
    manhole: Manhole = Manhole()
    admin: Admin = Admin()
    log: Log = Log()
    limits: Limits = Limits()
    products: dict[str, dict[str, Any]] = {}  # defaults of their settings
    outbound: Outbound = Outbound()
    mail: Mail = Mail()
    accounts: Accounts = Accounts()
    media: Media = Media()
    media_s3: MediaS3 = MediaS3()
    demo: Demo = Demo()
    # "devel": the loader fetches libraries one by one; "prod": one bundle per widget.
    env: Literal["prod", "devel"] = "prod"

    @property
    def own_url(self) -> str:
        """The base URL of this deployment for links in mail; empty where nothing here tells one."""
        deployments = [one.url for one in self.deployments if one.name == self.deployment]
        nodes = [node.url for node in self.nodes if node.name == self.node]
        return next((url for url in (self.mail.url, *deployments, *nodes) if url), "")

    @property
    def panel_url(self) -> str:
        """Where staff find the panel, for links that operators make; this machine by its name, which passkeys need."""
        return self.own_url or self.listening_url.replace("//127.0.0.1:", "//localhost:")

    @property
    def listening_url(self) -> str:
        """Where the first listener over TCP without TLS is reached from this machine; empty where there is none."""
        for listen in self.listen:
            match = re.match(r"tcp:(?:port=)?(\d+)(.*)", listen.endpoint)
            if match:
                interface = re.search(r":interface=((?:\\:|[^:])+)", match[2])
                host = interface[1].replace("\\:", ":") if interface else "127.0.0.1"
                host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
                return f"http://[{host}]:{match[1]}" if ":" in host else f"http://{host}:{match[1]}"
        return ""


def load(path: str | Path | None = None) -> Config:
    """Read the file at *path*; without one, all defaults.

    A relative ``state`` is relative to the current directory.

    Raises:
        ConfigError: the file can't be read, is no TOML, or has a wrong key or type (its path is in the message).
    """
    if path is None:
        return parse(b"")
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    return parse(raw, str(path))


def parse(raw: bytes, name: str = "configuration") -> Config:
    """Read TOML bytes; *name* stands before error messages.

    Raises:
        ConfigError: as `load`.
    """
    try:
        # Editors of Windows put a byte order mark before the text.
        tree = tomllib.loads(raw.decode("utf-8-sig"))
        config = msgspec.convert(tree, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{name}: {error}{_allowed(str(error))}".replace("\n", " ")) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: no text in UTF-8 (byte {error.start + 1})") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: {error}".replace("\n", " ")) from None
    _check(config, name)
    return config


_AT = re.compile(r" - at `\$([^`]*)`")
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")


def _allowed(message: str) -> str:
    """What may stand where *message* (of msgspec) says that something wrong stands."""
    at = _AT.search(message)
    kind = inspect.type_info(Config)
    for part in re.findall(r"[A-Za-z_0-9]+", at[1] if at is not None else ""):
        kind = _section(kind)
        field = next((one for one in getattr(kind, "fields", ()) if one.name == part), None)
        if field is not None:
            kind = field.type
    if isinstance(kind, inspect.LiteralType):
        return f"; allowed: {', '.join(repr(one) for one in kind.values)}"
    unknown = _UNKNOWN.search(message)
    names = [field.name for field in getattr(_section(kind), "fields", ())]
    if unknown is None or not names:
        return ""
    from difflib import get_close_matches

    close = get_close_matches(unknown[1], names, 1)
    return (f"; did you mean {close[0]!r}?" if close else "") + f"; there are {', '.join(names)}"


def _section(kind: Any) -> Any:
    """The section that *kind* is, or that stands in its rows, or beside None."""
    while True:
        if isinstance(kind, inspect.VarTupleType):
            kind = kind.item_type
        elif isinstance(kind, inspect.UnionType):
            kind = next((one for one in kind.types if not isinstance(one, inspect.NoneType)), kind.types[0])
        else:
            return kind


def _check(config: Config, name: str) -> None:
    if not config.listen:
        raise ConfigError(f"{name}: at least one [[listen]] is needed")
    names = [node.name for node in config.nodes]
    if len(set(names)) != len(names):
        raise ConfigError(f"{name}: two [[nodes]] share a name")
    if names and config.node not in names:
        raise ConfigError(f"{name}: node = {config.node!r} is not among [[nodes]]")
    for node in config.nodes:
        if node.url and not node.url.startswith(("http://", "https://")):
            raise ConfigError(f"{name}: [[nodes]] {node.name!r}: url begins with https:// or http://")
    _check_deployments(config, name)
    if config.discovery.enabled:
        mine = next((node for node in config.nodes if node.name == config.node), None)
        if mine is None or not mine.url:
            raise ConfigError(f"{name}: [discovery] needs this node among [[nodes]], with a url")
    if config.mesh.folder:
        if len(names) < 2 and not config.discovery.enabled:
            raise ConfigError(f"{name}: [mesh] needs two [[nodes]] at least")
        lacking = [node.name for node in config.nodes if not node.mesh]
        if lacking:
            raise ConfigError(f"{name}: [[nodes]] {lacking[0]!r} needs mesh = \"host:port\", as there is a [mesh]")
    if config.workers and not config.redis.url:
        raise ConfigError(f"{name}: workers = {config.workers} needs a [redis] url, where the workers meet")
    for network in config.outbound.networks:
        try:
            ip_network(network)
        except ValueError as error:
            raise ConfigError(f"{name}: [outbound] networks: {error}") from None
    for shard in config.database.shard:
        if bool(shard.dsn) == bool(shard.server):
            raise ConfigError(f"{name}: [[database.shard]] {shard.number}: give dsn or [[database.shard.server]]")
    numbers = [shard.number for shard in config.database.shard]
    if len(set(numbers)) < len(numbers):
        raise ConfigError(f"{name}: two [[database.shard]] share a number")
    if config.database.dsn and config.database.server:
        raise ConfigError(f"{name}: give [database] dsn or [[database.server]], not both")


def _check_deployments(config: Config, name: str) -> None:
    given = [one.name for one in config.deployments]
    for one in (config.deployment, *given):
        if _DEPLOYMENT.fullmatch(one) is None:
            raise ConfigError(f"{name}: deployment {one[:60]!r}: a-z, 0-9 and '-', as in a host name")
    if len(set(given)) != len(given):
        raise ConfigError(f"{name}: two [[deployments]] share a name")
    if given and config.deployment not in given:
        raise ConfigError(f"{name}: deployment = {config.deployment!r} is not among [[deployments]]")
    last, before = 0, ""
    for deployment in sorted(config.deployments, key=lambda one: one.sites):
        if not deployment.url.startswith(("http://", "https://")):
            raise ConfigError(f"{name}: [[deployments]] {deployment.name}: url begins with https:// or http://")
        if not last < deployment.sites[0] <= deployment.sites[1] < 2**31:
            reason = f"overlaps that of {before!r}" if deployment.sites[0] <= last else "is none"
            raise ConfigError(f"{name}: [[deployments]] {deployment.name}: its range of sites {reason}")
        last, before = deployment.sites[1], deployment.name
