"""Routes of the pictures of people: those that they upload of themselves, and reports of what they show."""

from __future__ import annotations

from cackled.api.calls import Call
from cackled.api.route import Caller, Reach, Route
from cackled.domain.audit import Audit
from cackled.domain.errors import Forbidden, NotFound
from cackled.domain.people import People
from cackled.domain.sessions import GUEST
from cackled.domain.site import Site
from cackled.domain.uploads import Uploads
from cackled.identity.answers import PersonAnswer, PictureFlagBody, Reported
from cackled.identity.api import show_me
from cackled.identity.picture_reports import PictureReports
from cackled.identity.settings import IdentitySettings

# Of what is sent; a browser makes it small before.
MOST_BYTES = 4 * 1_048_576


def admit(site: Site, length: int | None) -> None:
    """See that *site* takes pictures of its visitors.

    Raises:
        Forbidden: it takes none.
    """
    if not site.product(IdentitySettings).own_pictures:
        raise Forbidden("Visitors have no pictures of their own here.", slug="no-pictures")


async def put_picture(call: Call) -> PersonAnswer:
    """Upload a picture of oneself. The body is the file; readers get it as a small square, made anew."""
    if call.visitor.level == GUEST:
        raise NotFound("You are not signed in.")
    admit(call.site, None)
    people = call.service(People)
    if await people.banned(call.visitor.visitor, call.address):
        raise Forbidden("You can't add pictures here.", slug="banned")
    content = call.request.content
    raw = b"" if content is None else content.read()
    made = await call.shared(Uploads).brought(call.site, raw, "", call.visitor.visitor)
    await people.set_picture(call.visitor.visitor, made.partition("-")[2])
    return await show_me(call)


async def delete_picture(call: Call) -> PersonAnswer:
    """Remove the picture that the visitor uploaded of themselves."""
    if call.visitor.level == GUEST:
        raise NotFound("You are not signed in.")
    await call.service(People).set_picture(call.visitor.visitor, "")
    return await show_me(call)


async def remove_picture(call: Call) -> None:
    """Remove the picture that a visitor uploaded of themselves."""
    visitor, people = call.number("visitor"), call.service(People)
    # An author who never signed in has what an import brought.
    if await people.drop_imported_picture(visitor) or await people.set_picture(visitor, ""):
        await call.service(Audit).record(call.colleague, "picture.removed", f"visitor:{visitor}")


async def flag_picture(call: Call) -> Reported:
    """Report the picture that a visitor shows of themselves."""
    reason = call.body.reason or ""
    await call.service(PictureReports).report(call.number("visitor"), call.visitor.visitor, call.address, reason)
    return Reported()


_REFUSED = tuple(
    f"media-{one}"
    for one in ("type", "broken", "pixels", "frames", "memory", "time", "harmful", "hourly", "room")
)
ROUTES = (
    Route(
        method="PUT", path="/sites/{site}/me/picture", name="putOwnPicture",
        summary="Upload a picture of oneself. The body is the file; readers get it as a small square, made anew.",
        handler=put_picture, takes="image/*", most=MOST_BYTES, admit=admit, answer=PersonAnswer, caller=Caller.SESSION,
        limit="identity.picture", writes=True, refusals=(*_REFUSED, "no-pictures", "banned", "not-found"),
    ),
    Route(
        method="DELETE", path="/sites/{site}/me/picture", name="deleteOwnPicture",
        summary="Remove the picture that the visitor uploaded of themselves.",
        handler=delete_picture, answer=PersonAnswer, caller=Caller.SESSION, limit="identity.change", writes=True,
        refusals=("not-found",),
    ),
    Route(
        method="DELETE", path="/sites/{site}/visitors/{visitor}/picture", name="removePictureOf",
        summary="Remove the picture that a visitor uploaded of themselves.",
        handler=remove_picture, status=204, caller=Caller.STAFF, role="moderator", scope="moderate", limit="",
        writes=True, whole=True, refusals=("not-found",),
    ),
    Route(
        method="POST", path="/sites/{site}/visitors/{visitor}/picture/flags", name="flagPicture",
        summary="Report the picture that a visitor shows of themselves.", handler=flag_picture, body=PictureFlagBody,
        answer=Reported, status=201, caller=Caller.SESSION, reach=Reach.ALL, limit="identity.flag",
        refusals=("picture", "banned"),
    ),
)  # fmt: skip
