"""What the browser side consists of: bundles of scripts and styles, widgets, words; told by lists in its folders.

Each folder (the core's, and one of each product that has a widget) has ``bundles.json``::

    {"bundles": {"comments.js": ["comments.js"], "comments.css": ["base.css", "more.css"]},
     "lazy": {"later.js": ["later.js"]}, "with": {"later.js": "comments.js"}}

A script is an ES module with all that it imports. "lazy" are bundles too; the loader fetches them later. "widgets"
names the bundles of each widget's first render (``{"Comment": {"js": ["comments.js"], "css": ["comments.css"]}}``).

A source may be a catalogue of words, ``locales/en.json``, or a section of it, ``locales/en.json#widget``: a script
then, see `words_script`. "locales" are folders of catalogues: each language but English has a bundle of all of them,
``NAME-ru.js``, where NAME is that of the folder's first bundle; widgets of the folder need it. Browsers can't resolve
the names of packages: bundles under "packaged" are served as they were built in devel too.

What ``env = prod`` serves was made when the package was built, by ``scripts/packaging/bundle.mjs``: ``build/`` has a
file for each bundle, its form in brotli (``NAME.br``), the loader, and ``manifest.json``, a list of the same form.
``env = devel`` serves the modules.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import msgspec
from msgspec import Struct

# Sections of a catalogue that widgets need.
WIDGET_SECTIONS = ("widget", "problems")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
# Static imports of modules beside; packages are bundled only.
_IMPORT = re.compile(
    rb"""^\s*(?:import|export)\b(?:[^;'"()]*?\bfrom)?\s*['"](\.{1,2}/[^'"\n]+)['"]""", re.MULTILINE
)


class AssetsError(Exception):
    """The folders can't be served; the message names the file."""


class Widget(Struct, forbid_unknown_fields=True):
    """The bundles of a widget's first render."""

    js: list[str] = []
    css: list[str] = []
    # Whether it stands in the page, with words in its language, and has a first request; and which options that takes.
    words: bool = False
    ask: dict[str, list[str] | int | str] = {}
    # The page's global variables that gave site and channel before there were options.
    old: list[str] = []
    # The id of its element, where the page names none.
    place: str = ""


class _Manifest(Struct, forbid_unknown_fields=True, rename={"with_": "with"}):
    bundles: dict[str, list[str]] = {}
    lazy: dict[str, list[str]] = {}
    with_: dict[str, str] = {}
    widgets: dict[str, Widget] = {}
    locales: list[str] = []
    packaged: list[str] = []
    # Of what was built.
    languages: list[str] = []


class Folder(Struct, frozen=True):
    """What is in a folder: its bundles, and its widgets that have words."""

    bundles: list[str]
    speaks: list[str]


class Words(Struct, frozen=True):
    """The catalogues of a folder: paths from the root, in which ``*`` stands for the language."""

    languages: list[str]
    paths: list[str]


class BundleLists:
    """The lists of all *folders*, the core's first; those that were *built*, else those of the sources.

    Paths are from ``root``, what the folders have in common, so that modules find each other.

    Raises:
        AssetsError: a list is missing or malformed, names what is not there or outside, or something twice.
    """

    def __init__(self, folders: Iterable[str | Path], *, built: bool) -> None:
        self._built = built
        self._folders = [Path(folder).resolve() / ("build" if built else "") for folder in folders]
        self.root = Path(os.path.commonpath(self._folders))
        self._list = "manifest.json" if built else "bundles.json"
        # By bundle, the paths of its sources.
        self.sources: dict[str, list[str]] = {}
        # By folder, the name of its first bundle.
        self._stems: dict[Path, str] = {}
        self._packaged: set[str] = set()
        self.lazy: list[str] = []
        self.widgets: dict[str, Widget] = {}
        self.folders: list[Folder] = []
        # By widget.
        self.words: dict[str, Words] = {}
        for folder in self._folders:
            self._take(folder)

    @property
    def languages(self) -> list[str]:
        """Those that any widget has, but English. A widget that lacks one of them is in English alone."""
        return sorted({language for one in self.words.values() for language in one.languages})

    def _take(self, folder: Path) -> None:
        """Add the bundles of a folder."""
        manifest = self._manifest(folder)
        sources = {**manifest.bundles, **manifest.lazy}
        self._stems[folder] = Path(next(iter(sources), "")).stem
        used = [n for w in manifest.widgets.values() for n in w.js + w.css]
        used += [*manifest.with_, *manifest.with_.values()]
        for name in used:
            if name not in sources:
                raise AssetsError(f"{self._list}: there is no bundle {name!r}")
        for name, paths in sources.items():
            if _NAME.fullmatch(name) is None or Path(name).suffix not in (".js", ".css"):
                raise AssetsError(f"{self._list}: {name!r} is no name of a .js or .css bundle")
            if name in self.sources:
                raise AssetsError(f"{folder / self._list}: another folder has a bundle {name!r}")
            # What was built is found at each request: nobody may have built it yet.
            packaged = not self._built and name in manifest.packaged
            self.sources[name] = [self._find(folder, path) for path in ([f"build/{name}"] if packaged else paths)]
            self._packaged |= {name} if packaged else set()
        if twice := manifest.widgets.keys() & self.widgets.keys():
            raise AssetsError(f"{folder / self._list}: another folder has a widget {min(twice)!r}")
        self.widgets.update(manifest.widgets)
        self.lazy += manifest.lazy
        speak = [name for name, widget in manifest.widgets.items() if widget.words]
        self.folders.append(Folder(list(sources), speak))
        if speak:
            self.words |= dict.fromkeys(speak, self._words(folder, manifest))

    def _space(self, path: Path) -> str:
        """Under what a catalogue's words stand: nothing for the core's, else the name of the folder's first bundle."""
        if path.is_relative_to(self._folders[0]):
            return ""
        return next((stem for folder, stem in self._stems.items() if path.is_relative_to(folder)), "")

    def _words(self, folder: Path, manifest: _Manifest) -> Words:
        if self._built:
            stem = Path(next(iter(manifest.bundles))).stem
            paths = [(folder / f"{stem}-*.js").relative_to(self.root).as_posix()]
            return Words(sorted(manifest.languages), paths)
        folders = [self._find(folder, one) for one in manifest.locales]
        known = [{path.stem for path in (self.root / one).glob("*.json")} for one in folders]
        languages = sorted(set.intersection(*known) - {"en"}) if known else []
        return Words(languages, [f"{one}/*.json" for one in folders])

    def modules(self, name: str) -> list[str]:
        """The files of a bundle as they are on disk now, each after those that it imports."""
        found: dict[str, bool] = {}

        def add(path: str) -> None:
            if path in found:
                return
            found[path] = False
            for match in _IMPORT.finditer(self.source(path)) if path.endswith(".js") else ():
                other = (self.root / path).parent.joinpath(match[1].decode()).resolve()
                if self._allowed(other):
                    add(other.relative_to(self.root).as_posix())
            # At the end, behind what it imports.
            del found[path]
            found[path] = True

        if name in self._packaged:
            return self.sources[name]
        for path in self.sources[name]:
            add(path.partition("#")[0])
        return list(found)

    def _find(self, folder: Path, source: str) -> str:
        """The path from the root of a source, which is in the folder, or among those of the core: nothing outside."""
        name, sharp, section = source.partition("#")
        path = os.path.normpath(os.path.join(folder, name))
        core = self._folders[0]
        inside = core if path.startswith(f"{core}/") else folder
        if not path.startswith(f"{inside}/"):
            raise AssetsError(f"{source!r} is outside {folder}")
        return os.path.relpath(_inside(inside, path.removeprefix(f"{inside}/")), self.root) + sharp + section

    def _allowed(self, path: Path) -> bool:
        """Whether a file is below one of the folders."""
        return any(path.is_relative_to(folder) for folder in self._folders)

    def _manifest(self, folder: Path) -> _Manifest:
        path = folder / self._list
        try:
            return msgspec.json.decode(path.read_bytes(), type=_Manifest)
        except OSError as error:
            hint = "; scripts/packaging/web.py makes it" if self._built else ""
            raise AssetsError(f"{path}: {error.strerror}{hint}") from None
        except msgspec.DecodeError as error:
            raise AssetsError(f"{path}: {error}") from None

    def below(self, path: str) -> tuple[str, bytes]:
        """What is served of a file in one of the folders, behind the suffix that tells its type.

        Nothing outside the folders, nothing hidden, whatever *path* says. A catalogue of a bundle is the script that it
        becomes, others are modules of JSON.

        Raises:
            AssetsError
            OSError
        """
        if not self._allowed(_inside(self.root, path)):
            raise AssetsError(f"{path!r} is in none of the folders")
        suffix = PurePosixPath(path).suffix
        pattern = str(PurePosixPath(path).with_name("*.json"))
        listed = {one.partition("#")[0] for sources in self.sources.values() for one in sources}
        if suffix == ".json" and (path in listed or any(pattern in words.paths for words in self.words.values())):
            return ".js", self.source(path)
        return suffix, (self.root / path).read_bytes()

    def beside(self, name: str) -> bytes:
        """A file beside the first list, as the loader."""
        return self.source(self._find(self._folders[0], name))

    def packed(self, path: str) -> Path:
        """Where the form in brotli of a bundle that was built stands, if there is one."""
        return self.root / f"{path}.br"

    def source(self, path: str) -> bytes:
        """What is served of a file; of a catalogue the script that adds its words."""
        name, _, section = path.partition("#")
        try:
            text = (self.root / name).read_bytes()
        except OSError as error:
            raise AssetsError(f"{path}: {error.strerror}") from None
        if not name.endswith(".json"):
            return text
        try:
            sections = (section,) if section else WIDGET_SECTIONS
            return words_script(PurePosixPath(name).stem, text, sections, self._space(self.root / name))
        except msgspec.MsgspecError as error:
            raise AssetsError(f"{name}: {error}") from None


def words_script(language: str, text: bytes, sections: Iterable[str], space: str) -> bytes:
    """The script that adds *sections* of a catalogue to ``Cackle.locales``.

    Words of the core's widgets become members of the language itself, those of a product's widgets (*space*) of an
    object of its name, those of other sections of an object of theirs. Bundles have the same from
    ``scripts/packaging/bundle.mjs``.

    Raises:
        msgspec.MsgspecError: it is no catalogue.
    """
    catalogue = msgspec.json.decode(text, type=dict[str, dict[str, str | dict[str, str]]])
    script = f"(c=>{{c=c.{language}=c.{language}||{{}};"
    for section in sections:
        name = space if section == "widget" else section
        words = msgspec.json.encode(catalogue.get(section, {})).decode()
        script += f"Object.assign({f'c.{name}=c.{name}||{{}}' if name else 'c'},{words});"
    return (script + "})(window.Cackle.locales=window.Cackle.locales||{});\n").encode()


def _inside(folder: Path, path: str) -> Path:
    parts = path.split("/")
    if any(_NAME.fullmatch(part) is None for part in parts):
        raise AssetsError(f"{path!r} is no path of a source")
    found = os.path.realpath(os.path.join(folder, *parts))
    if not found.startswith(f"{folder}/"):
        raise AssetsError(f"{path!r} is outside {folder}")
    return Path(found)
