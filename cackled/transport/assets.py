"""The browser's files: named by their content, compressed once at start.

The folder has ``bundles.json``::

    {"bundles": {"comments.js": ["lib/a.js", "lib/b.js"], "comments.css": ["styles/base.css"]},
     "lazy": {"editor.js": ["lib/editor.js"]}}

"lazy" are bundles too; the loader fetches them later. "widgets" names the bundles of each widget's first render
(``{"Comment": {"js": ["comments.js"], "css": ["comments.css"]}}``). A source may be a catalogue of words,
``locales/en.json``, or a section of it, ``locales/en.json#widget``: a script then, see `words_script`. "locales" are
folders of catalogues: each language but English has a bundle of all of them, ``locale-ru.js``. All of these have one
hash, that of all of them together, so that the loader's configuration stays short. Browsers can't resolve the names of
packages: bundles under "packaged" are served as they were built in devel too.

What ``env = prod`` serves was made when the package was built, by ``scripts/packaging/bundle.mjs``: ``build/`` has a
file for each bundle, the loader, and ``manifest.json``, a list of the same form.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import msgspec
from msgspec import Struct
from twisted.logger import Logger
from twisted.web.resource import Resource

from cackled.transport import _former
from cackled.transport._variants import (
    BROTLI,
    GZIP,
    IDENTITY,
    compress,
    compressible,
    encoding_class,
    matches,
    variant_etag,
)
from cackled.transport.content_types import TYPES as _TYPES
from cackled.transport.microcache import Microcache, MicrocachedResource
from cackled.transport.problems import problem
from cackled.transport.response import CONFIGURED_TTL, Response

# Stands in web/loader.js where the configuration goes, as a JSON value.
CONFIG_TOKEN = b"__CACKLE_CONFIG__"
LOADER_CACHE = b"public, max-age=300, stale-while-revalidate=86400"
_IMMUTABLE = b"public, max-age=31536000, immutable"
_MISSING = b"public, max-age=10"
_ESCAPES = ((b"</", b"<\\/"), (b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"))
# Sections of a catalogue that widgets need.
WIDGET_SECTIONS = ("widget", "problems")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_PUBLIC = [
    (b"Access-Control-Allow-Origin", b"*"),
    (b"Cross-Origin-Resource-Policy", b"cross-origin"),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Timing-Allow-Origin", b"*"),
]


log = Logger()

# What the deployment adds to the loader's configuration ("servers").
Render = Callable[[], dict[str, Any]]


class AssetsError(Exception):
    """The folder can't be served; the message names the file."""


class _Widget(Struct, forbid_unknown_fields=True):
    js: list[str] = []
    css: list[str] = []


class _Manifest(Struct, forbid_unknown_fields=True):
    bundles: dict[str, list[str]] = {}
    lazy: dict[str, list[str]] = {}
    widgets: dict[str, _Widget] = {}
    locales: list[str] = []
    packaged: list[str] = []
    # Of what was built.
    languages: list[str] = []


class _File:
    """One finished file with its coded forms, and the answers for each."""

    def __init__(self, body: bytes, content_type: bytes, cache: bytes, *, best: bool = True) -> None:
        self.hash = _former.content_hash(body)
        self._etag = b'"' + self.hash.encode() + b'"'
        self.body = body
        self.content_type = content_type
        self._fields = [(b"Content-Type", content_type), (b"Cache-Control", cache), *_PUBLIC]
        self._bodies = {IDENTITY: body}
        if compressible(content_type, len(body)):
            self._fields.append((b"Vary", b"Accept-Encoding"))
            for coding in (GZIP, BROTLI):
                packed = compress(body, coding, best=best)
                if len(packed) < len(body):
                    self._bodies[coding] = packed

    def size(self, coding: bytes = IDENTITY) -> int:
        return len(self._bodies.get(coding, self.body))

    def shared(self, tag: str) -> Response:
        """For the microcache: all forms in one."""
        fields = [*self._fields, (b"ETag", self._etag)]
        coded = {coding: body for coding, body in self._bodies.items() if coding}
        return Response(200, fields, self.body, (tag,), CONFIGURED_TTL, owner="assets", coded=coded)

    def answer(self, request: Any) -> Response:
        coding = encoding_class(getattr(request, "accept_encoding", b""))
        if coding not in self._bodies:
            coding = IDENTITY
        etag = variant_etag(self._etag, coding)
        fields = [*self._fields, (b"ETag", etag)]
        known = request.getHeader(b"If-None-Match")
        if known is not None and matches(known, etag):
            return Response(304, [field for field in fields if field[0] != b"Content-Type"])
        if coding:
            fields.append((b"Content-Encoding", coding))
        return Response(200, fields, self._bodies[coding])


class Assets:
    """Everything below ``/widget/``, made when constructed.

    In env ``prod``: one file per bundle, as it was built, under ``/widget/<hash>/<name>``, for ever; another hash is
    404 with a short life, but for those of former versions (`keep`). In env ``devel``: the sources one by one, as they
    are on disk now, under ``/widget/devel/<path>``.

    With a *microcache*, what is served in prod goes through it, for the sake of its direct path.

    Raises:
        AssetsError: the list of bundles is missing or malformed, or names a file that can't be read.
    """

    def __init__(
        self,
        folder: str | Path,
        env: Literal["prod", "devel"],
        base: str = "/widget",
        *,
        microcache: Microcache | None = None,
    ) -> None:
        self._microcache = microcache if env == "prod" else None
        self._folder = Path(folder).resolve()
        self.env = env
        self._base = base
        if env == "prod":
            self._folder /= "build"
        self._list = "manifest.json" if env == "prod" else "bundles.json"
        manifest = self._checked = self._manifest()
        self._sources = {**manifest.bundles, **manifest.lazy}
        unknown = [n for w in manifest.widgets.values() for n in w.js + w.css if n not in self._sources]
        if unknown:
            raise AssetsError(f"{self._list}: there is no bundle {unknown[0]!r}")
        self._files: dict[str, _File] = {}
        # By hash and name; those that were asked for.
        self._former: dict[tuple[str, str], bytes] = {}
        self._asked: dict[tuple[str, str], _File] = {}
        for name, sources in self._sources.items():
            if _NAME.fullmatch(name) is None or Path(name).suffix not in (".js", ".css"):
                raise AssetsError(f"{self._list}: {name!r} is no name of a .js or .css bundle")
            texts = [self._source(path) for path in sources]
            if env == "prod":
                self._files[name] = _File(texts[0], _TYPES[Path(name).suffix], _IMMUTABLE)
        listed = [path for paths in self._sources.values() for path in paths]
        self._catalogues = {path.partition("#")[0] for path in listed if ".json" in path}
        self._languages = self._read_languages()

    def _read_languages(self) -> dict[str, Any]:
        """What the loader is told of languages: their names, and paths in which ``*`` stands for the name."""
        if self.env == "devel":
            folders = self._checked.locales
            found = sorted(path.stem for path in (self._folder / folders[0]).glob("*.json")) if folders else []
            names = [one for one in found if one != "en"]
            return {"names": names, "paths": [f"{self._base}/devel/{folder}/*.json" for folder in folders]}
        names = self._checked.languages
        bundles = [f"locale-{name}.js" for name in names]
        files = {bundle: _File(self._source(bundle), _TYPES[".js"], _IMMUTABLE) for bundle in bundles}
        shared = _former.content_hash(b"".join(file.hash.encode() for file in files.values()))
        for file in files.values():
            file.hash = shared
        self._files |= files
        return {"names": names, "paths": [f"{self._base}/{shared}/locale-*.js"] if names else []}

    def keep(self, folder: Path) -> None:
        """Store the bundles in *folder*, and from now on serve those of the former versions that lie there as well.

        Pages that are open during an upgrade ask for them, and loaders that browsers keep. A folder that can't be used
        is a warning in the log.
        """
        if self.env != "prod":
            return
        own = {(file.hash, name): file.body for name, file in self._files.items()}
        try:
            self._former = _former.keep(folder, self.version, own)
        except OSError as error:
            log.warn("{folder}: former bundles: {reason}", folder=str(folder), reason=error.strerror or str(error))

    def urls(self) -> dict[str, list[str]]:
        """What the loader is told: for each bundle the paths to load, in order (one in prod, all sources in devel)."""
        if self.env == "devel":
            return {
                name: [f"{self._base}/devel/build/{name}"]
                if name in self._checked.packaged
                else [f"{self._base}/devel/{path.partition('#')[0]}" for path in paths]
                for name, paths in self._sources.items()
            }
        return {name: [f"{self._base}/{file.hash}/{name}"] for name, file in self._files.items()}

    @property
    def version(self) -> str:
        """Changes whenever any bundle does."""
        return blake2b("".join(file.hash for file in self._files.values()).encode(), digest_size=6).hexdigest()

    def config(self) -> dict[str, Any]:
        """What the loader has to know of the files: the paths of each widget and lazy bundle."""
        urls, manifest = self.urls(), self._checked
        return {
            "bundles": {
                name: {
                    "js": [url for bundle in widget.js for url in urls[bundle]],
                    "css": [url for bundle in widget.css for url in urls[bundle]],
                }
                for name, widget in manifest.widgets.items()
            },
            "lazy": {name: urls[name] for name in manifest.lazy},
            "locales": self._languages,
        }

    def sizes(self) -> dict[str, dict[str, int]]:
        """Bytes of each bundle: plain, gzip and br."""
        return {
            name: {"plain": file.size(), "gzip": file.size(GZIP), "br": file.size(BROTLI)}
            for name, file in self._files.items()
        }

    def resource(self) -> Resource:
        """For ``/widget``."""
        plain = _AssetsResource(self)
        return plain if self._microcache is None else MicrocachedResource(self._microcache, plain.shared, below=True)

    def loader(self, render: Render, template: str = "loader.js") -> LoaderResource | CachedLoaderResource:
        """For ``/widget.js``: *template* with `CONFIG_TOKEN` replaced by `config` and what *render* adds to it.

        *render* is asked once, and again after ``changed()`` of the result was called.
        """
        plain = LoaderResource(self, template, render)
        return plain if self._microcache is None else CachedLoaderResource(self._microcache, plain)

    def answer(self, request: Any, parts: list[bytes]) -> Response:
        """The answer to a GET of the path *parts* below ``/widget``."""
        try:
            names = [part.decode("ascii") for part in parts]
        except UnicodeDecodeError:
            return _missing()
        if self.env == "devel" and names == ["devel", "list.json"]:
            return Response(200, [(b"Content-Type", b"application/json"), (b"Cache-Control", b"no-cache"), *_PUBLIC],
                            msgspec.json.encode(self.urls()))  # fmt: skip
        file = self.file(names)
        return _missing() if file is None else file.answer(request)

    def file(self, names: list[str]) -> _File | None:
        """What stands at this path below ``/widget``."""
        if self.env == "prod":
            return self.find(names)
        return self._devel(names[1:]) if names[:1] == ["devel"] else None

    def find(self, names: list[str]) -> _File | None:
        """The bundle at ``<hash>/<name>``."""
        if len(names) != 2:
            return None
        file = self._files.get(names[1])
        if file is not None and file.hash == names[0]:
            return file
        key = names[0], names[1]
        body = self._former.get(key)
        if body is None:
            return None
        if key not in self._asked:
            self._asked[key] = _File(body, _TYPES[Path(names[1]).suffix], _IMMUTABLE, best=False)
        return self._asked[key]

    def _devel(self, names: list[str]) -> _File | None:
        path = PurePosixPath(*names)
        # A catalogue of a bundle is served as the script that it becomes; others are modules of JSON.
        words = str(path) in self._catalogues or str(path.parent) in self._checked.locales
        content_type = _TYPES.get(".js" if words else path.suffix)
        if content_type is None:
            return None
        try:
            whole = "/".join(names)
            body = self._source(whole) if words else self._path(whole).read_bytes()
        except (AssetsError, OSError, ValueError):
            return None
        return _File(body, content_type, b"no-cache", best=False)

    def _manifest(self) -> _Manifest:
        path = self._folder / self._list
        try:
            return msgspec.json.decode(path.read_bytes(), type=_Manifest)
        except OSError as error:
            hint = "; scripts/packaging/web.py makes it" if self.env == "prod" else ""
            raise AssetsError(f"{path}: {error.strerror}{hint}") from None
        except msgspec.DecodeError as error:
            raise AssetsError(f"{self._list}: {error}") from None

    def _path(self, path: str) -> Path:
        """A file in the folder; nothing outside it, nothing hidden, whatever *path* says."""
        return _inside(self._folder, path)

    def _source(self, path: str) -> bytes:
        name, _, section = path.partition("#")
        try:
            text = self._path(name).read_bytes()
        except OSError as error:
            raise AssetsError(f"{path}: {error.strerror}") from None
        if not name.endswith(".json"):
            return text
        try:
            return words_script(PurePosixPath(name).stem, text, (section,) if section else WIDGET_SECTIONS)
        except msgspec.MsgspecError as error:
            raise AssetsError(f"{name}: {error}") from None


def words_script(language: str, text: bytes, sections: Iterable[str]) -> bytes:
    """The script that adds *sections* of a catalogue to ``Cackle.locales``.

    Words of widgets become members of the language itself, those of other sections of an object in it. Bundles have the
    same from ``scripts/packaging/bundle.mjs``.

    Raises:
        msgspec.MsgspecError: it is no catalogue.
    """
    catalogue = msgspec.json.decode(text, type=dict[str, dict[str, str | dict[str, str]]])
    script = f"(c=>{{c=c.{language}=c.{language}||{{problems:{{}}}};"
    for name in sections:
        words = msgspec.json.encode(catalogue.get(name, {})).decode()
        script += f"Object.assign({'c' if name == 'widget' else f'c.{name}'},{words});"
    return (script + "})(window.Cackle.locales=window.Cackle.locales||{});\n").encode()


def _inside(folder: Path, path: str) -> Path:
    parts = path.split("/")
    if any(_NAME.fullmatch(part) is None for part in parts):
        raise AssetsError(f"{path!r} is no path of a source")
    found = folder.joinpath(*parts).resolve()
    if not found.is_relative_to(folder):
        raise AssetsError(f"{path!r} is outside {folder}")
    return found


def _missing() -> Response:
    response = problem(404)
    response.headers = [(n, _MISSING if n == b"Cache-Control" else v) for n, v in response.headers] + _PUBLIC
    return response


class _AssetsResource(Resource):
    isLeaf = True
    takes_rest = True

    def __init__(self, assets: Assets) -> None:
        super().__init__()
        self._assets = assets

    def render_GET(self, request: Any) -> Response:
        return self._assets.answer(request, list(request.postpath))

    async def shared(self, request: Any) -> Response:
        file = self._assets.find([part.decode("latin-1") for part in request.postpath])
        return _missing() if file is None else file.shared("bundle")

    render_HEAD = render_GET


class LoaderResource(Resource):
    """``/widget.js``; made by `Assets.loader`."""

    isLeaf = True

    def __init__(self, assets: Assets, template: str, render: Render) -> None:
        super().__init__()
        self._assets = assets
        self._name = template
        self._render = render
        self._template = self._read()
        self._file: _File | None = None
        self._config = b""

    def _read(self) -> bytes:
        text = self._assets._source(self._name)
        if text.count(CONFIG_TOKEN) != 1:
            raise AssetsError(f"{self._name} must have {CONFIG_TOKEN.decode()} once")
        return text

    def changed(self) -> None:
        """What *render* returns may have changed: ask it again at the next request."""
        self._config = b""

    def render_GET(self, request: Any) -> Response:
        """The loader of this moment."""
        return self.current().answer(request)

    async def shared(self, request: Any) -> Response:
        """The same for the microcache."""
        return self.current().shared("loader")

    def current(self) -> _File:
        """The loader of this moment, rendered if need be."""
        if self._assets.env == "devel":
            self._template = self._read()
            self._config, self._file = b"", None
        if not self._config:
            config = msgspec.json.encode({**self._assets.config(), **self._render()})
            for raw, escaped in _ESCAPES:
                config = config.replace(raw, escaped)
            if config != self._config or self._file is None:
                cache = LOADER_CACHE if self._assets.env == "prod" else b"no-cache"
                self._file = _File(self._template.replace(CONFIG_TOKEN, config), _TYPES[".js"], cache)
            self._config = config
        assert self._file is not None
        return self._file

    render_HEAD = render_GET


class CachedLoaderResource(MicrocachedResource):
    """A `LoaderResource` behind the microcache."""

    def __init__(self, microcache: Microcache, plain: LoaderResource) -> None:
        super().__init__(microcache, plain.shared)
        self._plain = plain
        self._cache = microcache

    def changed(self) -> None:
        """As `LoaderResource.changed`."""
        self._plain.changed()
        self._cache.evict("loader")
