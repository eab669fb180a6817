"""The routes of a site's logo."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from cackled.api.calls import Call
from cackled.api.route import Caller, Route
from cackled.domain.audit import Audit
from cackled.domain.errors import Outdated
from cackled.domain.logo import logo_of, setting_of
from cackled.domain.site_changes import SiteChanges
from cackled.media.store import MediaStore, kept_of

# Of what is sent; a browser makes it small before.
MOST_BYTES = 4 * 1_048_576
# How often the document of settings is read anew where others change it at the same time.
_TRIES = 5


class LogoAnswer(Struct, frozen=True):
    """A site's logo: the address of its file on this server, and the size in which pages show it."""

    url: str
    width: int
    height: int


async def put_logo(call: Call) -> LogoAnswer:
    """Upload the site's logo. The body is the file; it is made anew, and the logo before it is removed."""
    content = call.request.content
    raw = b"" if content is None else content.read()
    media = call.shared(MediaStore).of(call.site)
    made = await media.add(raw, call.site.name, None, call.colleague.account or None, admitted=True)
    kept: dict[str, Any] = kept_of(call.site.id, made)
    # Kept before it is named: what is named is always there.
    await media.keep_logo(made.id)
    setting = setting_of(kept["url"], made.width, made.height)
    await _set(call, setting)
    await media.drop_logos(made.id)
    await call.service(Audit).record(call.colleague, "logo.changed", f"site:{call.site.id}")
    logo = logo_of(setting)
    assert logo is not None
    return LogoAnswer(logo.url, logo.width, logo.height)


async def remove_logo(call: Call) -> None:
    """Remove the site's logo."""
    await _set(call, None)
    await call.shared(MediaStore).of(call.site).drop_logos("")
    await call.service(Audit).record(call.colleague, "logo.removed", f"site:{call.site.id}")


async def _set(call: Call, setting: str | None) -> None:
    changes = call.shared(SiteChanges)
    for left in reversed(range(_TRIES)):
        document = await changes.get(call.site.id)
        try:
            await changes.change(call.site.id, document.version, settings={"logo": setting})
        except Outdated:
            if not left:
                raise
        else:
            return


_REFUSED = tuple(
    f"media-{one}" for one in ("type", "broken", "pixels", "frames", "memory", "time", "harmful", "room")
)
_PATH = "/sites/{site}/logo"
ROUTES = (
    Route(
        method="PUT", path=_PATH, name="putLogo",
        summary="Upload the site's logo. The body is the file; it is made anew, and the logo before it is removed.",
        handler=put_logo, takes="image/*", most=MOST_BYTES, answer=LogoAnswer, caller=Caller.STAFF, role="admin",
        scope="sync", limit="media.add", refusals=(*_REFUSED, "outdated"),
    ),
    Route(
        method="DELETE", path=_PATH, name="removeLogo", summary="Remove the site's logo.", handler=remove_logo,
        status=204, caller=Caller.STAFF, role="admin", scope="sync", limit="", refusals=("outdated",),
    ),
)  # fmt: skip
