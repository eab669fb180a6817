"""A strict parser for queries: each byte must have its meaning, else `FormatError`.

It parses every query that the table of prebuilt answers does not have.
"""

from __future__ import annotations

from .edns import Edns, FormatError, parse_options
from .wire import IXFR, MAX_NAME, OPT


class Query:
    """A query as parsed.

    ``question`` is the question's bytes as received (its case is echoed), empty when there was none; ``name`` the
    lower-case wire name.
    """

    __slots__ = ("edns", "name", "qclass", "qtype", "question")

    def __init__(self) -> None:
        self.question = b""
        self.name = b""
        self.qtype = 0
        self.qclass = 0
        self.edns: Edns | None = None


def parse(data: bytes, query: Query) -> None:
    """Read the message *data* (a query, opcode QUERY, at least 12 bytes) into *query*.

    What was read before a mistake stays in *query*, so that an error reply can carry the question and OPT.

    Raises:
        FormatError: counts, names, lengths or options are wrong, or bytes are left over.
    """
    questions = data[4] << 8 | data[5]
    answers = data[6] << 8 | data[7]
    authority = data[8] << 8 | data[9]
    additional = data[10] << 8 | data[11]
    if questions > 1 or answers:
        raise FormatError("more than one question, or an answer in a query")
    at = 12
    if questions:
        at = _plain_name(data, at) + 4
        if at > len(data):
            raise FormatError("question cut short")
        query.question = data[12:at]
        query.name = data[12 : at - 4].lower()
        query.qtype = data[at - 4] << 8 | data[at - 3]
        query.qclass = data[at - 2] << 8 | data[at - 1]
    if authority and (query.qtype != IXFR or authority > 1):
        raise FormatError("authority section in a query")
    # One OPT, one signature: more than a few extra records have no business in a query.
    if additional > 4:
        raise FormatError("too many additional records")
    for index in range(authority + additional):
        owner = at
        at = _any_name(data, at)
        if at + 10 > len(data):
            raise FormatError("record cut short")
        end = at + 10 + (data[at + 8] << 8 | data[at + 9])
        if end > len(data):
            raise FormatError("record overruns the message")
        if data[at] << 8 | data[at + 1] == OPT:
            if query.edns is not None or data[owner] or index < authority:
                raise FormatError("two OPT records, or one out of place")
            edns = Edns(data[at + 2] << 8 | data[at + 3], data[at + 5], bool(data[at + 6] & 0x80))
            query.edns = edns
            # Another version may have options of another form: it is told ours and no more (RFC 6891 section 6.1.3).
            if edns.version == 0:
                parse_options(edns, data[at + 10 : end])
        at = end
    if at != len(data):
        raise FormatError("bytes behind the message")
    if not questions and (query.edns is None or query.edns.cookie is None):
        raise FormatError("no question")


def _plain_name(data: bytes, at: int) -> int:
    """The offset behind the uncompressed name at *at*: in a query's question nothing stands before to point to."""
    start = at
    try:
        while length := data[at]:
            if length > 63:
                raise FormatError("label type in the question")
            at += 1 + length
    except IndexError:
        raise FormatError("name cut short") from None
    if at + 1 - start > MAX_NAME:
        raise FormatError("name too long")
    return at + 1


def _any_name(data: bytes, at: int) -> int:
    """The offset behind a name that may end in a pointer. The pointer is not followed: such names are not used."""
    start = at
    try:
        while length := data[at]:
            if length >= 0xC0:
                if (length & 0x3F) << 8 | data[at + 1] >= start:
                    raise FormatError("pointer forward")
                return at + 2
            if length > 63:
                raise FormatError("label type")
            at += 1 + length
    except IndexError:
        raise FormatError("name cut short") from None
    if at + 1 - start > MAX_NAME:
        raise FormatError("name too long")
    return at + 1
