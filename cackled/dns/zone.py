"""The zone: what names there are and what stands at them, from a zone file or made from the nodes.

Semantics of questions are in answer.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address

from cackled.config import ConfigError, Deployment, Dns, Node

from .wire import (
    AAAA,
    AXFR,
    CNAME,
    DNAME,
    DNSKEY,
    IXFR,
    MX,
    NS,
    NSEC,
    NSEC3,
    OPT,
    RRSIG,
    SOA,
    TSIG,
    A,
    Record,
    name_length,
    name_text,
    pack_name,
    parents,
)

# Hours for what hardly changes; a minute for "no such name" (RFC 2308).
SOA_TTL = NS_TTL = 3600
NEGATIVE_TTL = 60
MAX_NAME_SERVERS = 6
# An RRset must fit into one message over TCP, with room for question and OPT.
MAX_RRSET = 60_000
MAX_CHAIN = 8
# We don't sign, and DNAME would need names made at query time.
_UNSERVED = frozenset((DNAME, DNSKEY, RRSIG, NSEC, NSEC3, 51, 59, 60, OPT, TSIG, IXFR, AXFR))


class ZoneError(ConfigError):
    """The zone can't be served; the message is one line that names the record."""


class RRset:
    """The records of one name and type: TTL in seconds, rdata on the wire, uncompressed."""

    __slots__ = ("rdatas", "rtype", "ttl")

    def __init__(self, rtype: int, ttl: int, rdatas: tuple[bytes, ...]) -> None:
        self.rtype = rtype
        self.ttl = ttl
        self.rdatas = rdatas

    def records(self, owner: bytes) -> list[Record]:
        """Its records, under the name *owner*."""
        return [(owner, self.rtype, self.ttl, rdata) for rdata in self.rdatas]


class Owner:
    """What stands at one name; nothing at an empty non-terminal. ``geo``: A and AAAA are the nearest live nodes."""

    __slots__ = ("geo", "sets")

    def __init__(self) -> None:
        self.sets: dict[int, RRset] = {}
        self.geo = False


class Zone:
    """A checked zone. Names are lower-case wire names.

    Args:
        records: owner, type, TTL, uncompressed rdata; in one RRset the smallest TTL counts.
        geo_names: names that answer A and AAAA with the nearest nodes, *geo_ttl* seconds.
        everybody: type and address of all nodes: what a geo name has in a zone transfer, as a secondary server of
            another make can't choose.

    Raises:
        ZoneError: see `check`.
    """

    def __init__(
        self,
        origin: bytes,
        records: Iterable[Record],
        geo_names: Iterable[bytes] = (),
        geo_ttl: int = 30,
        everybody: Sequence[tuple[int, bytes]] = (),
    ) -> None:
        self.origin = origin
        self._everybody = sorted(everybody)
        self.geo_ttl = geo_ttl
        self.names: dict[bytes, Owner] = {}
        self.cuts: set[bytes] = set()
        grouped: dict[tuple[bytes, int], tuple[int, dict[bytes, None]]] = {}
        for owner, rtype, ttl, rdata in records:
            old, seen = grouped.get((owner, rtype), (ttl, {}))
            seen[rdata] = None
            grouped[owner, rtype] = (min(old, ttl), seen)
        for (owner, rtype), (ttl, rdatas) in grouped.items():
            self._owner(owner).sets[rtype] = RRset(rtype, ttl, tuple(rdatas))
            if rtype == NS and owner != origin:
                self.cuts.add(owner)
        for name in geo_names:
            self._owner(name).geo = True
        self.check()
        self._take_soa()

    def _take_soa(self) -> None:
        origin = self.origin
        soa = self.names[origin].sets[SOA]
        self.soa: Record = (origin, SOA, soa.ttl, soa.rdatas[0])
        # RFC 2308 section 3: a negative answer lives no longer than the SOA's minimum says.
        self.negative: Record = (
            origin, SOA, min(soa.ttl, int.from_bytes(soa.rdatas[0][-4:], "big")), soa.rdatas[0],
        )

    def _owner(self, name: bytes) -> Owner:
        """The owner at *name*, made with all empty non-terminals above it."""
        if not self.contains(name):
            raise ZoneError(f"{name_text(name)} is not below {name_text(self.origin)}")
        for parent in parents(name):
            if parent not in self.names:
                self.names[parent] = Owner()
            if parent == self.origin:
                break
        return self.names[name]

    def contains(self, name: bytes) -> bool:
        """Whether *name* is the origin or below it."""
        cut = len(name) - len(self.origin)
        if cut < 0 or name[cut:] != self.origin:
            return False
        at = 0
        while at < cut:
            at += 1 + name[at]
        return at == cut

    def find(self, name: bytes) -> tuple[Owner | None, bool]:
        """The owner that answers for *name* and whether it is a wildcard; None where no such name is (RFC 4592)."""
        owner = self.names.get(name)
        if owner is not None:
            return owner, False
        for encloser in parents(name)[1:]:
            if encloser in self.names:
                star = self.names.get(b"\x01*" + encloser)
                return star, star is not None
        return None, False

    def delegation(self, name: bytes) -> bytes | None:
        """The zone cut at or above *name*, the highest one; None in most zones."""
        if not self.cuts:
            return None
        found = None
        for parent in parents(name):
            if parent in self.cuts:
                found = parent
            if parent == self.origin:
                break
        return found

    @property
    def serial(self) -> int:
        """The SOA's serial number."""
        return int.from_bytes(self.soa[3][-20:-16], "big")

    def publish(self, keys: Sequence[bytes]) -> None:
        """Have DNSKEY records, given as rdata."""
        self.names[self.origin].sets[DNSKEY] = RRset(DNSKEY, SOA_TTL, tuple(keys))

    def renumber(self, serial: int) -> None:
        """Have another serial number; answers made before are to be forgotten."""
        old = self.names[self.origin].sets[SOA]
        rdata = old.rdatas[0][:-20] + serial.to_bytes(4, "big") + old.rdatas[0][-16:]
        self.names[self.origin].sets[SOA] = RRset(SOA, old.ttl, (rdata,))
        self._take_soa()

    def records(self) -> list[Record]:
        """Every record, the SOA first: what a zone transfer carries."""
        out = [self.soa]
        for name, owner in self.names.items():
            for rtype, rrset in owner.sets.items():
                if rtype != SOA:
                    out += rrset.records(name)
            if owner.geo:
                out += [(name, rtype, self.geo_ttl, packed) for rtype, packed in self._everybody]
        return out

    def check(self) -> None:
        """See that the zone makes sense.

        Raises:
            ZoneError: no SOA or NS at the origin, a CNAME beside other data or in a loop, NS or MX pointing to a
                CNAME or to a name of the zone without address, a type that is not served, an RRset too big, a geo
                name with A, AAAA or CNAME of its own.
        """
        apex = self.names.get(self.origin)
        origin = name_text(self.origin)
        if apex is None or SOA not in apex.sets:
            raise ZoneError(f"{origin} SOA: missing")
        if len(apex.sets[SOA].rdatas) > 1:
            raise ZoneError(f"{origin} SOA: more than one")
        if NS not in apex.sets:
            raise ZoneError(f"{origin} NS: missing")
        for name, owner in self.names.items():
            for rtype, rrset in owner.sets.items():
                where = f"{name_text(name)} {_type_text(rtype)}"
                if rtype in _UNSERVED:
                    raise ZoneError(f"{where}: this type is not served")
                if rtype == SOA and name != self.origin:
                    raise ZoneError(f"{where}: only {origin} has one")
                if rtype == CNAME and (len(owner.sets) > 1 or len(rrset.rdatas) > 1 or owner.geo):
                    raise ZoneError(f"{where}: stands beside other records or a geo name")
                if owner.geo and rtype in (A, AAAA):
                    raise ZoneError(f"{where}: the name is in dns.geo_names, which gives its addresses")
                if sum(len(rdata) + 12 for rdata in rrset.rdatas) > MAX_RRSET:
                    raise ZoneError(f"{where}: too big for one message")
                self._check_targets(where, rrset)

    def _check_targets(self, where: str, rrset: RRset) -> None:
        for rdata in rrset.rdatas:
            if rrset.rtype == CNAME:
                self._check_chain(where, rdata.lower())
            if rrset.rtype not in (NS, MX):
                continue
            target = (rdata if rrset.rtype == NS else rdata[2:]).lower()
            if target == b"\0" or not self.contains(target):
                continue
            owner, _ = self.find(target)
            if owner is not None and CNAME in owner.sets:
                raise ZoneError(f"{where}: {name_text(target)} is a CNAME")
            addressed = owner is not None and (owner.geo or A in owner.sets or AAAA in owner.sets)
            # Behind a zone cut the address is somebody else's to give; glue is useful there and not a must.
            if not addressed and self.delegation(target) is None:
                raise ZoneError(f"{where}: {name_text(target)} has no address in the zone")

    def _check_chain(self, where: str, target: bytes) -> None:
        seen: set[bytes] = set()
        while self.contains(target):
            if target in seen or len(seen) == MAX_CHAIN:
                raise ZoneError(f"{where}: CNAME loop, or more than {MAX_CHAIN} in a row")
            seen.add(target)
            owner, _ = self.find(target)
            if owner is None or CNAME not in owner.sets:
                return
            target = owner.sets[CNAME].rdatas[0].lower()


def load_zone(settings: Dns, nodes: Sequence[Node], others: Sequence[Deployment] = ()) -> Zone:
    """The zone that *settings* ask for; one that is made of *nodes* delegates a name to each of *others*.

    Raises:
        ZoneError: the file can't be read, or the zone makes no sense; one line that names the record.
    """
    try:
        origin = pack_name(settings.origin)
    except (ValueError, UnicodeEncodeError) as error:
        raise ZoneError(f"dns.origin: {error}") from None
    geo = [_relative(name, origin) for name in settings.geo_names]
    try:
        given = settings.zone_file
        records = read_file(given, settings.origin) if given else generate(origin, nodes, others)
        everybody = [address for node in nodes for address in node_addresses(node)]
        return Zone(origin, records, geo, settings.ttl, everybody)
    except ZoneError as error:
        raise ZoneError(f"{settings.zone_file or 'dns zone'}: {error}") from None


def _relative(name: str, origin: bytes) -> bytes:
    try:
        if name in ("@", ""):
            return origin
        wire = pack_name(name)
        if not name.endswith("."):
            wire = wire[:-1] + origin
        if len(wire) > 255:
            raise ValueError(f"{name!r} is too long for a domain name")
        return wire
    except (ValueError, UnicodeEncodeError) as error:
        raise ZoneError(f"dns.geo_names: {error}") from None


def read_file(path: str, origin: str) -> list[Record]:
    """The records of a zone file (RFC 1035 section 5), for `Zone`.

    Raises:
        ZoneError: it can't be read, or a line is wrong (its number, or that of the next, is in the message).
    """
    # Not at the start: a zone that is made from the nodes needs no reader.
    import dns.exception
    import dns.name
    import dns.rdataclass
    import dns.tokenizer
    import dns.zonefile

    manager = dns.zonefile.RRSetsReaderManager(dns.name.from_text(origin), False, dns.rdataclass.IN)
    reader = None
    try:
        with open(path, encoding="utf-8-sig") as file, manager.writer(True) as transaction:
            tokens = dns.tokenizer.Tokenizer(file, filename="line")
            reader = dns.zonefile.Reader(tokens, dns.rdataclass.IN, transaction)
            # Else a record outside the zone would be left out silently.
            reader.zone_origin = dns.name.root
            reader.read()
    except OSError as error:
        raise ZoneError(error.strerror or str(error)) from None
    except UnicodeDecodeError as error:
        raise ZoneError(f"it is no text in UTF-8 (byte {error.start + 1}); save it as UTF-8") from None
    except dns.zonefile.CNAMEAndOtherData:
        raise ZoneError(f"{reader.last_name if reader else path}: a CNAME beside other records") from None
    except (dns.exception.DNSException, ValueError) as error:
        raise ZoneError(" ".join((str(error) or type(error).__name__).split())) from None
    out: list[Record] = []
    for rrset in manager.rrsets:
        owner = rrset.name.to_wire()
        assert owner is not None
        for rdata in rrset:
            wire = rdata.to_wire()
            assert wire is not None
            out.append((owner.lower(), int(rdata.rdtype), rrset.ttl, wire))
    return out


def generate(origin: bytes, nodes: Sequence[Node], others: Sequence[Deployment] = ()) -> list[Record]:
    """A zone made from *nodes*: SOA, and a name server ``nsN`` on each of the first few; a delegation for each *other*.

    A node without addresses, which browsers reach by its url alone, has no part in it. The same nodes give the same
    records on every server. The serial number is 1: `dns.serial` gives the real one.

    Raises:
        ZoneError: a node has a wrong address, or there is no node that has one.
    """
    records: list[Record] = []
    servers = []
    addressed = [node for node in nodes if node.addresses]
    for number, node in enumerate(addressed[:MAX_NAME_SERVERS], 1):
        name = b"\x03ns%d" % number + origin
        servers.append(name)
        records.append((origin, NS, NS_TTL, name))
        records += [(name, rtype, NS_TTL, packed) for rtype, packed in node_addresses(node)]
    if not servers:
        raise ZoneError("no [[nodes]] with addresses to make a zone from")
    records += [record for other in others for record in delegate(origin, other)]
    times = (1, 7200, 1800, 1209600, NEGATIVE_TTL)
    # Every negative answer carries these two names: short ones keep it within twice the query.
    rdata = servers[0] + b"\x03dns" + origin + b"".join(number.to_bytes(4, "big") for number in times)
    assert name_length(rdata) < len(rdata)
    return [(origin, SOA, SOA_TTL, rdata), *records]


def delegate(origin: bytes, other: Deployment) -> list[Record]:
    """The records that hand ``NAME.origin`` over to the name servers of deployment *other*; none where it has none.

    Raises:
        ZoneError: one of its addresses is none.
    """
    records: list[Record] = []
    cut = bytes((len(other.name),)) + other.name.encode("ascii") + origin
    for number, text in enumerate(other.dns[:MAX_NAME_SERVERS], 1):
        try:
            address = ip_address(text)
        except ValueError:
            raise ZoneError(f"deployment {other.name}: dns: {text!r} is no IP address") from None
        # As the other deployment's own zone calls its servers.
        server = b"\x03ns%d" % number + cut
        records.append((cut, NS, NS_TTL, server))
        records.append((server, A if address.version == 4 else AAAA, NS_TTL, address.packed))
    return records


def node_addresses(node: Node) -> list[tuple[int, bytes]]:
    """The type (A or AAAA) and packed form of each of a node's addresses.

    Raises:
        ZoneError: one of them is no address.
    """
    out = []
    for text in node.addresses:
        try:
            address = ip_address(text)
        except ValueError:
            raise ZoneError(f"node {node.name}: {text!r} is no IP address") from None
        out.append((A if address.version == 4 else AAAA, address.packed))
    return out


def addresses_by_node(nodes: Sequence[Node]) -> Mapping[str, Mapping[int, tuple[bytes, ...]]]:
    """Node name -> type (A, AAAA) -> packed addresses.

    Raises:
        ZoneError: as `node_addresses`.
    """
    out: dict[str, dict[int, tuple[bytes, ...]]] = {}
    for node in nodes:
        found = node_addresses(node)
        out[node.name] = {
            rtype: tuple(packed for kind, packed in found if kind == rtype) for rtype in (A, AAAA)
        }
    return out


# The types of a zone that is made from the nodes.
_TEXTS = {A: "A", AAAA: "AAAA", NS: "NS", SOA: "SOA"}


def _type_text(rtype: int) -> str:
    if rtype in _TEXTS:
        return _TEXTS[rtype]
    import dns.rdatatype

    return str(dns.rdatatype.to_text(dns.rdatatype.RdataType.make(rtype)))

