"""The resource tree of a public listener: which path belongs to which resource."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.web.resource import IResource, Resource

from cackled.api.large_bodies import LargeBodies
from cackled.api.old_calls import OldCalls, OldResource
from cackled.domain.errors import Forbidden, Refused
from cackled.domain.grants import Grants
from cackled.domain.sites import SiteDirectory
from cackled.transport.resources import Folder
from cackled.transport.response import Response

# Addresses under which pages made years ago still ask for the loader.
LOADER_ALIASES = (
    b"mc.widget-min.js",
    b"mc.widget.js",
)


class Redirect(Resource):
    """Redirects a browser to another address."""

    isLeaf = True

    def __init__(self, target: bytes) -> None:
        super().__init__()
        self._target = target

    def render_GET(self, request: Any) -> Any:
        """302 to the target."""
        return Response(302, [(b"location", self._target), (b"cache-control", b"no-store")])


# Search engines need what widgets ask for: they render pages. What is for some people alone says so itself.
_ROBOTS = b"User-agent: *\n" + b"".join(
    b"Disallow: " + path + b"\n"
    for path in (
        b"/auth/", b"/exports/", b"/moderate", b"/notices/", b"/panel/", b"/privacy/*/mine", b"/share/",
        b"/threads/*/write",
    )
)


# Browsers ask for /favicon.ico on every page of ours that names no other.
_ICON = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#3557c7"/>'
    b'<path d="M8 12h16M8 17h10M13 22l-4 4v-5" stroke="#fff" stroke-width="2.4" fill="none" stroke-linecap="round" '
    b'stroke-linejoin="round"/></svg>'
)


class StaticText(Resource):
    """A short text, of type *kind*."""

    isLeaf = True

    def __init__(self, text: bytes, kind: bytes = b"text/plain; charset=utf-8") -> None:
        super().__init__()
        self._text = text
        self._kind = kind

    def render_GET(self, request: Any) -> Any:
        """The text."""
        headers = [(b"content-type", self._kind), (b"cache-control", b"public, max-age=3600")]
        return Response(200, headers, self._text)


class PublicRoot(Folder):
    """The root: a table of names, and ``/`` itself."""

    def __init__(self, children: Mapping[bytes, IResource], index: IResource) -> None:
        super().__init__()
        for name, child in children.items():
            self.putChild(name, child)
        self.putChild(b"", index)
        # Who may send bodies above the usual cap (`cackled.api.large_bodies`).
        self.bodies: LargeBodies | None = None
        # Shortcuts that bypass the resource tree (see `cackled.transport.http.Shortcut`).
        self.shortcuts = {
            b"/" + name + path: take
            for name, child in children.items() for path, take in getattr(child, "shortcuts", {}).items()
        }  # fmt: skip


def public_root(
    *,
    loader: IResource,
    assets: IResource,
    bootstrap: IResource,
    api: IResource,
    realtime: IResource,
    healthz: IResource,
    readyz: IResource,
    demo: IResource | None,
    well_known: IResource | None = None,
    moderate: IResource | None = None,
    exports: IResource | None = None,
    privacy: IResource | None = None,
    auth: IResource | None = None,
    share: IResource | None = None,
    commento: IResource | None = None,
    avatar: IResource | None = None,
    media: IResource | None = None,
    files: IResource | None = None,
    panel: IResource | None = None,
    docs: IResource | None = None,
    old: OldCalls | None = None,
    adapters: Mapping[str, IResource] = {},
    threads: IResource | None = None,
    feeds: IResource | None = None,
    notices: IResource | None = None,
) -> PublicRoot:
    """The tree of a public listener."""
    versions = Folder()
    versions.putChild(b"v1", api)
    if docs is not None:
        versions.putChild(b"docs", docs)
    if commento is not None:
        # Where servers that were made for Commento lead back to.
        oauth, sso = Folder(), Folder()
        sso.putChild(b"callback", commento)
        oauth.putChild(b"sso", sso)
        versions.putChild(b"oauth", oauth)
    children: dict[bytes, IResource] = {
        b"widget.js": loader,
        b"widget": assets,
        b"bootstrap": bootstrap,
        b"api": versions,
        b"rt": realtime,
        b"healthz": healthz,
        b"readyz": readyz,
        b"favicon.ico": StaticText(_ICON, b"image/svg+xml"),
    }
    for name in LOADER_ALIASES:
        children[name] = loader
    if demo is not None:
        children[b"demo"] = demo
    if avatar is not None:
        children[b"avatar"] = avatar
    if media is not None:
        children[b"media"] = media
    if files is not None:
        children[b"files"] = files
    if auth is not None:
        children[b"auth"] = auth
    if share is not None:
        children[b"share"] = share
    if privacy is not None:
        children[b"privacy"] = privacy
    if exports is not None:
        children[b"exports"] = exports
    if moderate is not None:
        children[b"moderate"] = moderate
    if panel is not None:
        children[b"panel"] = panel
    if threads is not None:
        children[b"threads"] = threads
        children[b"robots.txt"] = StaticText(_ROBOTS)
    if notices is not None:
        children[b"notices"] = notices
    if feeds is not None:
        children[b"feeds"] = feeds
    if well_known is not None:
        children[b".well-known"] = well_known
    for place, script in adapters.items():
        children[place.encode()] = script
    if old is not None:
        for name, *beyond in old.places:
            if name == b"api":
                versions.putChild(beyond[0], OldResource(old))
            else:
                # Where other things stand as well, they go on.
                there = children.get(name)
                children[name] = there if isinstance(there, OldResource) else OldResource(old, there)
    return PublicRoot(children, Redirect(b"/demo" if demo is not None else b"/healthz"))


def listening_refused(
    directory: SiteDirectory, grants: Grants, site_id: int, channel: int, origin: str | None, tokens: tuple[str, ...]
) -> Refused | None:
    """Why a caller may not listen to a channel; None for pages of the site's origins, and for no browser at all."""
    site = directory.find(site_id)
    if site is None:
        return directory.missing(site_id)
    if origin is not None and not site.allows_origin(origin):
        return Forbidden("Pages of that origin can't listen to this site.", slug="origin")
    return grants.refused(site, tokens, channel)
