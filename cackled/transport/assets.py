"""The browser's files: named by their content, compressed once, when they are built or first asked for.

What there is, `cackled.transport.bundle_lists` tells. ``env = prod`` serves what was made when the package was built,
``env = devel`` the modules themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import msgspec
from twisted.logger import Logger
from twisted.web.resource import Resource

from cackled.transport import _previous_versions
from cackled.transport._variants import (
    BROTLI,
    GZIP,
    IDENTITY,
    compress,
    compressible,
    encoding_class,
    matches,
    unpacks,
    variant_etag,
)
from cackled.transport.bundle_lists import AssetsError, BundleLists, Folder
from cackled.transport.content_types import TYPES as _TYPES
from cackled.transport.microcache import Microcache, MicrocachedResource
from cackled.transport.problems import problem
from cackled.transport.response import CONFIGURED_TTL, Response

# Stands in web/loader.js where the configuration goes, as a JSON value.
CONFIG_TOKEN = b"__CACKLE_CONFIG__"
# Characters of the hash in addresses of bundles.
HASH = 12
LOADER_CACHE = b"public, max-age=300, stale-while-revalidate=86400"
_IMMUTABLE = b"public, max-age=31536000, immutable"
_MISSING = b"public, max-age=10"
_ESCAPES = ((b"</", b"<\\/"), (b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"))
_PUBLIC = [
    (b"Access-Control-Allow-Origin", b"*"),
    (b"Cross-Origin-Resource-Policy", b"cross-origin"),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Timing-Allow-Origin", b"*"),
]


log = Logger()

# What the deployment adds to the loader's configuration ("servers").
Render = Callable[[], dict[str, Any]]


class _File:
    """One finished file with its coded forms, and the answers for each; *packed*: where that in brotli should be."""

    def __init__(
        self, body: bytes, content_type: bytes, cache: bytes, *, best: bool = True, packed: Path | None = None
    ) -> None:
        self.hash = _previous_versions.content_hash(body)
        self._etag = b'"' + self.hash.encode() + b'"'
        self.body = body
        self.content_type = content_type
        self._fields = [(b"Content-Type", content_type), (b"Cache-Control", cache), *_PUBLIC]
        self._best = best
        self._packed = packed
        # What was compressed so far: a start waits for nothing that nobody may ask for.
        self._bodies = {IDENTITY: body}
        self._codings: tuple[bytes, ...] = ()
        if compressible(content_type, len(body)):
            self._fields.append((b"Vary", b"Accept-Encoding"))
            self._codings = (GZIP, BROTLI)

    def coded(self, coding: bytes) -> bytes:
        """The form in *coding*; the body itself where that would be no shorter."""
        if coding not in self._bodies:
            made = self.body
            if coding in self._codings:
                packed = self._built() if coding == BROTLI else None
                if packed is None:
                    packed = compress(self.body, coding, best=self._best)
                made = packed if len(packed) < len(self.body) else self.body
            self._bodies[coding] = made
        return self._bodies[coding]

    def _built(self) -> bytes | None:
        """The form in brotli that was built, unless it is of another text."""
        try:
            packed = b"" if self._packed is None else self._packed.read_bytes()
        except OSError:
            return None
        return packed if unpacks(packed, self.body) else None

    def shared(self, tag: str) -> Response:
        """For the microcache: all forms in one."""
        fields = [*self._fields, (b"ETag", self._etag)]
        coded = {one: made for one in self._codings if (made := self.coded(one)) is not self.body}
        return Response(200, fields, self.body, (tag,), CONFIGURED_TTL, owner="assets", coded=coded)

    def answer(self, request: Any) -> Response:
        coding = encoding_class(getattr(request, "accept_encoding", b""))
        body = self.coded(coding)
        if body is self.body:
            coding = IDENTITY
        etag = variant_etag(self._etag, coding)
        fields = [*self._fields, (b"ETag", etag)]
        known = request.getHeader(b"If-None-Match")
        if known is not None and matches(known, etag):
            return Response(304, [field for field in fields if field[0] != b"Content-Type"])
        if coding:
            fields.append((b"Content-Encoding", coding))
        return Response(200, fields, body)


class Assets:
    """Everything below ``/widget/``, made when constructed.

    *folders* are those with a list of bundles; the loader is in the first.

    In env ``prod``: one file per bundle, as it was built, under ``/widget/<hash>/<name>``, for ever; another hash is
    404 with a short life, but for those of former versions (`keep`). In env ``devel``: the modules and style sheets
    one by one, as they are on disk now, under ``/widget/devel/<path>``; the path is from what the folders have in
    common, so that modules find each other.

    With a *microcache*, what is served in prod goes through it, for the sake of its direct path.

    Raises:
        AssetsError: a list of bundles is missing or malformed, names a file that can't be read, or a bundle twice.
    """

    def __init__(
        self,
        folders: Iterable[str | Path],
        env: Literal["prod", "devel"] = "prod",
        base: str = "/widget",
        *,
        microcache: Microcache | None = None,
    ) -> None:
        self._microcache = microcache if env == "prod" else None
        self.env = env
        self._base = base
        self._lists = lists = BundleLists(folders, built=env == "prod")
        self._files: dict[str, _File] = {}
        # The hash of all of them.
        self._shared = ""
        # By widget, paths of words in which ``*`` stands for the language.
        self._words: dict[str, list[str]] = {}
        # By hash and name; those that were asked for.
        self._former: dict[tuple[str, str], bytes] = {}
        self._asked: dict[tuple[str, str], _File] = {}
        if env == "devel":
            for name in lists.sources:
                lists.modules(name)
            self._words = {name: found.paths for name, found in lists.words.items()}
        else:
            for folder in lists.folders:
                self._take(folder)
            self._share()

    def _take(self, folder: Folder) -> None:
        """Add the files of a folder."""
        lists = self._lists
        paths = {name: lists.sources[name][0] for name in folder.bundles}
        words = lists.words[folder.speaks[0]] if folder.speaks else None
        pattern = words.paths[0] if words else ""
        languages = [pattern.replace("*", one) for one in words.languages] if words else []
        paths |= {Path(one).name: one for one in languages}
        self._files |= {
            name: _File(lists.source(path), _TYPES[Path(name).suffix], _IMMUTABLE, packed=lists.packed(path))
            for name, path in sorted(paths.items())
        }
        self._words |= {name: [Path(pattern).name] for name in folder.speaks}

    def _share(self) -> None:
        """Give all files one hash: so the loader's configuration is as short with many products as with one."""
        whole = b"".join(file.hash.encode() for file in self._files.values())
        self._shared = shared = _previous_versions.content_hash(whole)[:HASH]
        for file in self._files.values():
            file.hash = shared

    def keep(self, folder: Path) -> None:
        """Store the bundles in *folder*, and from now on serve those of the former versions that lie there as well.

        Pages that are open during an upgrade ask for them, and loaders that browsers keep. A folder that can't be used
        is a warning in the log.
        """
        if self.env != "prod":
            return
        own = {(file.hash, name): file.body for name, file in self._files.items()}
        try:
            self._former = _previous_versions.keep(folder, self.version, own)
        except OSError as error:
            log.warn("{folder}: former bundles: {reason}", folder=str(folder), reason=error.strerror or str(error))

    def urls(self) -> dict[str, list[str]]:
        """What the loader is told: for each bundle the paths to load, in order (one in prod, all sources in devel)."""
        if self.env == "devel":
            return {name: [f"{self._base}/devel/{path}" for path in self._lists.modules(name)]
                    for name in self._lists.sources}  # fmt: skip
        return {name: [f"{self._base}/{self._files[name].hash}/{name}"] for name in self._lists.sources}

    @property
    def version(self) -> str:
        """Changes whenever any bundle does."""
        return blake2b("".join(file.hash for file in self._files.values()).encode(), digest_size=6).hexdigest()

    def config(self) -> dict[str, Any]:
        """What the loader has to know of the files: the paths, from ``path``, of each widget and of lazy bundles.

        In prod a lazy bundle is the file of its own name. In devel each is a list, ``lazy``.
        """
        path = f"{self._base}/{self._shared if self.env == 'prod' else 'devel'}/"
        urls = {name: [url.removeprefix(path) for url in found] for name, found in self.urls().items()}
        # In the order that compresses best, here and in `_told`.
        config: dict[str, Any] = {
            "locales": self._lists.languages,
            "bundles": {name: self._told(name, urls) for name in self._lists.widgets},
            "path": path,
        }
        if self.env == "devel":
            config["lazy"] = {name: urls[name] for name in self._lists.lazy}
            # What each script element has to be given.
            config["script"] = {"type": "module"}
        return config

    def _told(self, name: str, urls: dict[str, list[str]]) -> dict[str, Any]:
        """What the loader is told of a widget: only what there is, as each byte is in every page's way."""
        widget = self._lists.widgets[name]
        told: dict[str, Any] = {
            "css": [url for bundle in widget.css for url in urls[bundle]],
            "js": [url for bundle in widget.js for url in urls[bundle]],
            "ask": widget.ask,
            "old": widget.old,
            "place": widget.place,
        }
        told = {key: value for key, value in told.items() if value or key == "js"}
        if widget.words:
            whole = set(self._lists.words[name].languages) >= set(self._lists.languages)
            told["words"] = self._words[name] if whole else []
        return told

    def sizes(self) -> dict[str, dict[str, int]]:
        """Bytes of each bundle: plain, gzip and br."""
        return {
            name: {"plain": len(file.body), "gzip": len(file.coded(GZIP)), "br": len(file.coded(BROTLI))}
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
        try:
            suffix, body = self._lists.below("/".join(names))
            return _File(body, _TYPES[suffix], b"no-cache", best=False)
        except (AssetsError, OSError, ValueError, KeyError):
            return None

    def read(self, name: str) -> bytes:
        """A file beside the first list of bundles, as the loader."""
        return self._lists.beside(name)


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
        text = self._assets.read(self._name)
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
