"""The routes of pictures. Handlers only translate; the rules are in the service."""

from __future__ import annotations

import msgspec

from cackled.api.calls import Call
from cackled.api.route import Caller, Route
from cackled.database.query import ReadPreference
from cackled.domain.errors import NotFound
from cackled.domain.signed_media import DRAFT_LIFETIME, SignedMedia
from cackled.domain.staff import ANY
from cackled.media.answers import AltBody, MediaAnswer, MediaQuery, StaffPicture, UsageAnswer, shown
from cackled.media.service import ID, admit
from cackled.media.settings import MOST_BYTES, MediaSettings
from cackled.media.store import MediaStore, kept_of


def _number(call: Call) -> str:
    """The picture that the path names, without its site.

    Raises:
        NotFound: it can't be one of this site.
    """
    match = ID.fullmatch(call.parameters["media"])
    if match is None or int(match[1]) != call.site.id:
        raise NotFound("There is no such picture.")
    return match[2]


async def add(call: Call) -> MediaAnswer:
    """Upload a picture. The body is the file."""
    content = call.request.content
    raw = b"" if content is None else content.read()
    made = await call.shared(MediaStore).of(call.site).add(raw, call.query.alt, call.visitor.visitor)
    return shown(call.site.id, made, call.shared(SignedMedia))


async def add_staff(call: Call) -> StaffPicture:
    """Upload a picture as staff, for what the site itself shows. The body is the file."""
    content = call.request.content
    raw = b"" if content is None else content.read()
    account = call.colleague.account or None
    made = await call.shared(MediaStore).of(call.site).add(raw, call.query.alt, None, account, admitted=True)
    kept = msgspec.convert({**kept_of(call.site.id, made), "preview": ""}, StaffPicture)
    return msgspec.structs.replace(kept, preview=call.shared(SignedMedia).address(kept.url, DRAFT_LIFETIME))


async def describe(call: Call) -> None:
    """Set the alternative text of the caller's own picture."""
    await call.shared(MediaStore).of(call.site).describe(_number(call), call.body.alt, call.visitor.visitor)


async def remove(call: Call) -> None:
    """Delete an uploaded picture that is not attached to anything yet."""
    await call.shared(MediaStore).of(call.site).remove(_number(call), call.visitor.visitor)


async def usage(call: Call) -> UsageAnswer:
    """Get the site's storage usage for media."""
    pictures, size = await call.shared(MediaStore).of(call.site).usage()
    return UsageAnswer(pictures, size, call.site.product(MediaSettings).room)


_OWN = "/sites/{site}/media/{media:text}"
_REFUSED = tuple(
    f"media-{one}"
    for one in ("type", "broken", "pixels", "frames", "memory", "time", "harmful", "large", "hourly", "room")
)
ROUTES = (
    Route(
        method="POST", path="/sites/{site}/media", name="addMedia", summary="Upload a picture. The body is the file.",
        handler=add, query=MediaQuery, takes="image/*", most=MOST_BYTES, admit=admit, answer=MediaAnswer, status=201,
        caller=Caller.SESSION, limit="media.add", refusals=(*_REFUSED, "no-pictures"),
    ),
    Route(
        method="POST", path="/sites/{site}/pictures", name="addStaffPicture",
        summary="Upload a picture as staff, for what the site itself shows. The body is the file.",
        handler=add_staff, query=MediaQuery, takes="image/*", most=MOST_BYTES, answer=StaffPicture, status=201,
        caller=Caller.STAFF, role="moderator", scope="moderate", limit="media.add", refusals=_REFUSED,
    ),
    Route(
        method="PATCH", path=_OWN, name="describeMedia",
        summary="Set the alternative text of the caller's own picture.",
        handler=describe, body=AltBody, status=204, caller=Caller.SESSION, limit="media.change",
    ),
    Route(
        method="DELETE", path=_OWN, name="removeMedia",
        summary="Delete an uploaded picture that is not attached to anything yet.",
        handler=remove, status=204, caller=Caller.SESSION, limit="media.change",
    ),
    Route(
        method="GET", path="/sites/{site}/media-usage", name="getMediaUsage",
        summary="Get the site's storage usage for media.", handler=usage, answer=UsageAnswer, caller=Caller.STAFF,
        role=ANY, scope="read", limit="", preference=ReadPreference.NEAREST,
    ),
)  # fmt: skip
