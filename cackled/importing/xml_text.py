"""XML as it comes, element by element, in bounded memory, whatever somebody put into it.

There are no document types: no entities, no bombs, nothing that is fetched. Bytes that are no text, and characters that
XML does not allow, are mended: exports of real systems have them.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from html.entities import html5
from xml.parsers import expat

from cackled.importing.records import BadFile
from cackled.importing.source import MOST_VALUE, Source

CHUNK = 1 << 16
DEEPEST = 60
# Of a tag or a comment of XML, which the parser keeps until it ends.
MOST_TOKEN = 4 * MOST_VALUE
# Elements within one that is kept.
MOST_WITHIN = 10_000
_BAD = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_REFERENCE = re.compile(r"&(?:#(?:[0-9]{1,9}|[xX][0-9a-fA-F]{1,8})|[A-Za-z][A-Za-z0-9]{0,31});")
_DECLARATION = re.compile(rb"""<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_XML_HEAD = re.compile(r"\A<\?xml[^>]{0,300}\?>")
# What XML 1.0 allows in texts, section 2.2.
_ALLOWED = ((0x20, 0xD7FF), (0xE000, 0xFFFD), (0x10000, 0x10FFFF))
_KNOWN = {"amp", "lt", "gt", "quot", "apos"}
# What prefixes stand for, whatever the file calls them.
_SPACES = (
    ("http://wordpress.org/export/", "wp"),
    ("http://disqus.com/disqus-internals", "dsq"),
    ("http://www.disqus.com/", "dsq"),
    ("http://purl.org/rss/1.0/modules/content/", "content"),
    ("http://purl.org/dc/elements/1.1/", "dc"),
)


class Element:
    """An element that was read to its end: its attributes, its text, and the elements in it.

    ``above`` is the kept element that it stands in. ``cut``: it was too long to be kept whole.
    """

    __slots__ = ("above", "attributes", "children", "cut", "name", "parts", "size", "within")

    def __init__(self, name: str, attributes: Mapping[str, str], above: Element | None) -> None:
        self.name = name
        self.attributes = attributes
        self.above = above
        self.children: dict[str, list[Element]] = {}
        self.parts: list[str] = []
        self.size = 0
        self.within = 0
        self.cut = False

    @property
    def text(self) -> str:
        """The text directly in it."""
        return "".join(self.parts)

    def get(self, name: str, default: str = "") -> str:
        """The text of the first element of that name in it, without white space around it."""
        found = self.children.get(name)
        return found[0].text.strip() if found else default

    def first(self, name: str) -> Element | None:
        """The first element of that name in it."""
        found = self.children.get(name)
        return found[0] if found else None

    def attribute(self, child: str, name: str) -> str:
        """An attribute of the first element of that name in it."""
        found = self.first(child)
        return "" if found is None else found.attributes.get(name, "")


class _Reader:
    def __init__(self, wanted: frozenset[str], skipped: frozenset[str]) -> None:
        self._wanted = wanted
        self._skipped = skipped
        self._prefixes: dict[str, str] = {}
        self._path: list[tuple[Element | None, bool]] = []
        self._kept: list[Element] = []
        self.ready: list[Element] = []
        self.root = ""
        parser = self.parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._data
        parser.StartDoctypeDeclHandler = self._refused
        parser.EntityDeclHandler = self._refused
        parser.UnparsedEntityDeclHandler = self._refused
        parser.ExternalEntityRefHandler = self._refused

    @staticmethod
    def _refused(*given: object) -> int:
        raise BadFile("The file declares a document type or entities, which are not read.")

    def _name(self, name: str) -> str:
        prefix, colon, local = name.partition(":")
        if not colon:
            return name
        return f"{self._prefixes.get(prefix, prefix)}:{local}"

    def _start(self, name: str, given: dict[str, str]) -> None:
        if len(self._path) >= DEEPEST:
            raise BadFile("The file is nested too deeply.")
        for key, value in given.items():
            if key.startswith("xmlns:"):
                for space, canonical in _SPACES:
                    if value.startswith(space):
                        self._prefixes[key[6:]] = canonical
        name = self._name(name)
        if not self._path:
            self.root = name
        within = self._kept[-1] if self._kept else None
        if name in self._wanted:
            made = Element(name, {self._name(key): value for key, value in given.items()}, within)
            self._kept.append(made)
            self._path.append((made, True))
            return
        parent = self._path[-1][0] if self._path else None
        if within is None or parent is None or name in self._skipped or within.within >= MOST_WITHIN:
            self._path.append((None, False))
            return
        within.within += 1
        made = Element(name, {self._name(key): value[:1000] for key, value in given.items()}, None)
        parent.children.setdefault(name, []).append(made)
        self._path.append((made, False))

    def _data(self, text: str) -> None:
        if self._kept and self._path and self._path[-1][0] is not None:
            one, top = self._path[-1][0], self._kept[-1]
            if top.size + len(text) > MOST_VALUE:
                top.cut = True
                return
            top.size += len(text)
            one.parts.append(text)

    def _end(self, name: str) -> None:
        one, kept = self._path.pop()
        if kept and one is not None:
            self._kept.pop()
            self.ready.append(one)


def _mended(found: re.Match[str]) -> str:
    word = found[0][1:-1]
    if word.startswith("#"):
        number = int(word[2:], 16) if word[1] in "xX" else int(word[1:])
        fine = number in (9, 10, 13) or any(first <= number <= last for first, last in _ALLOWED)
        return found[0] if fine else ""
    if word in _KNOWN:
        return found[0]
    known = html5.get(word + ";")
    return f"&amp;{word};" if known is None or known in "&<>" else known


def _texts(source: Source) -> Iterator[str]:
    with source.open() as file:
        head = file.read(CHUNK)
        if not head.strip():
            raise BadFile("The file is empty.")
        encoding = "utf-8"
        declared = _DECLARATION.search(head[:1000])
        if declared is not None:
            try:
                encoding = codecs.lookup(declared[1].decode()).name
            except LookupError:
                encoding = "utf-8"
            # What says UTF-16 and can be read here is none, or was recoded.
            if encoding not in _TEXT_ENCODINGS and not encoding.startswith(_TEXT_FAMILIES):
                encoding = "utf-8"
        decoder = codecs.getincrementaldecoder(encoding)("replace")
        held = ""
        first = True
        chunk = head
        while True:
            text = held + decoder.decode(chunk, not chunk)
            if first:
                begin = text.find("<")
                if begin < 0:
                    raise BadFile("The file is no XML.")
                text = _XML_HEAD.sub("", text[begin:], count=1)
                first = False
            # A reference that the chunk cuts in two comes with the next.
            last = text.rfind("&", max(0, len(text) - 40)) if chunk else -1
            held = text[last:] if last >= 0 and ";" not in text[last:] else ""
            text = text[: len(text) - len(held)]
            yield _REFERENCE.sub(_mended, _BAD.sub("", text)) if "&" in text else _BAD.sub("", text)
            if not chunk:
                return
            chunk = file.read(CHUNK)


_TEXT_FAMILIES = ("iso8859", "cp", "koi8", "gb", "euc", "mac")
_TEXT_ENCODINGS = frozenset(("utf-8", "ascii", "shift_jis", "big5"))


def elements(
    source: Source, wanted: frozenset[str], *, skipped: frozenset[str] = frozenset(), root: tuple[str, ...] = ()
) -> Iterator[Element]:
    """The *wanted* elements of a file in the order in which they end; those within another are not among its own.

    *skipped* ones are not kept in others. *root*: what the file's outermost element is called.

    Raises:
        BadFile: it is no XML, or not such a one.
    """
    reader = _Reader(wanted, skipped)
    given = 0
    try:
        for text in _texts(source):
            data = text.encode()
            given += len(data)
            reader.parser.Parse(data, False)
            if given - reader.parser.CurrentByteIndex > MOST_TOKEN:
                raise BadFile("The file has a tag or comment that is too long.")
            if root and reader.root and reader.root not in root:
                raise BadFile(f"The file's outermost element is {reader.root[:60]}, not {root[0]}.")
            if reader.ready:
                ready, reader.ready = reader.ready, []
                yield from ready
        reader.parser.Parse(b"", True)
    except expat.ExpatError as error:
        what = expat.ErrorString(error.code)
        raise BadFile(f"The XML breaks off or is damaged at line {error.lineno}: {what}.") from None
    yield from reader.ready
