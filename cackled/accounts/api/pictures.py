"""Routes of an account's own picture."""

from __future__ import annotations

from cackled.accounts.api.answers import AccountAnswer
from cackled.accounts.api.own_account import owner_of
from cackled.accounts.pictures import SIDE, AccountPictures
from cackled.api.calls import Call
from cackled.api.route import Caller, Route
from cackled.domain.staff import picture_url
from cackled.domain.uploads import Uploads

# Of what is sent; a browser makes it small before.
MOST_BYTES = 4 * 1_048_576


async def put_picture(call: Call) -> AccountAnswer:
    """Upload the picture of the account. The body is the file; it is shown as a small square, made anew."""
    account = await owner_of(call)
    content = call.request.content
    raw = b"" if content is None else content.read()
    body = await call.shared(Uploads).portrait(raw, SIDE)
    name = await call.shared(AccountPictures).set(account.id, body)
    return AccountAnswer(str(account.id), account.email, account.name, picture_url(name))


async def delete_picture(call: Call) -> AccountAnswer:
    """Remove the picture of the account."""
    account = await owner_of(call)
    await call.shared(AccountPictures).set(account.id, None)
    return AccountAnswer(str(account.id), account.email, account.name)


_REFUSED = tuple(f"media-{one}" for one in ("type", "broken", "pixels", "frames", "memory", "time", "harmful"))
ROUTES = (
    Route(
        method="PUT", path="/auth/me/picture", name="putAccountPicture",
        summary="Upload the picture of the account. The body is the file; it is shown as a small square, made anew.",
        handler=put_picture, takes="image/*", most=MOST_BYTES, answer=AccountAnswer, caller=Caller.STAFF,
        limit="accounts.picture", refusals=_REFUSED,
    ),
    Route(
        method="DELETE", path="/auth/me/picture", name="removeAccountPicture",
        summary="Remove the picture of the account.", handler=delete_picture, answer=AccountAnswer,
        caller=Caller.STAFF, limit="",
    ),
)  # fmt: skip
