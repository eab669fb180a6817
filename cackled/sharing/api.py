"""Routes of sharing. Handlers only translate."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from cackled.api.calls import Call
from cackled.api.route import Caller, Route
from cackled.database.query import ReadPreference
from cackled.domain.errors import NotFound
from cackled.languages import LANGUAGES
from cackled.sharing import answers
from cackled.sharing.connecting import Sharing
from cackled.sharing.service import Shares
from cackled.sharing.settings import SharingSettings
from cackled.sharing.store import Share
from cackled.sharing.words import WIDGET_WORDS, WORDS

_ACCOUNTS, _SHARES = "/sites/{site}/share/accounts", "/sites/{site}/shares"


async def list_accounts(call: Call) -> Any:
    """List the networks, the visitor's connected accounts and their latest shares."""
    networks, query, private = call.shared(Sharing).networks, call.query, call.site.settings.private
    found, shares = [], []
    if call.session is not None:
        found = await call.shared(Sharing).accounts(call.site).all(call.session.visitor, call.reading)
        shares = await call.service(Shares).list(call.session.visitor, "", call.reading)
    language = next((one for one in LANGUAGES if one == query.lang), call.site.settings.language)
    return {
        "networks": [
            {"name": name, "asks": networks[name].asks(call.site)}
            # What strangers may not read is not shared.
            for name in call.site.product(SharingSettings).offered() if name in networks and not private
        ],
        "accounts": [{"network": one.network, "name": one.name, "lost": one.lost} for one in found],
        "shares": [_share(one) for one in shares],
        "words": {key: WORDS.words(language)(key, network="{network}") for key in WIDGET_WORDS},
    }  # fmt: skip


def _share(one: Share) -> dict[str, str]:
    return {
        "item": one.item, "network": one.network, "state": one.state, "reason": one.reason, "url": one.url,
        "created": datetime.fromtimestamp(one.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
    }  # fmt: skip


async def connect(call: Call) -> Any:
    """Connect the account that a network's window brought a code for."""
    sent: answers.ConnectBody = call.body
    network, account = await call.shared(Sharing).redeem(call.site, sent.code, sent.verifier)
    await call.shared(Sharing).accounts(call.site).put(call.visitor.visitor, network, account)
    return await list_accounts(call)


async def disconnect(call: Call) -> None:
    """Disconnect an account; its tokens are given back to the network."""
    if not await call.shared(Sharing).accounts(call.site).drop(call.visitor.visitor, call.parameters["network"][:40]):
        raise NotFound("You have no such account connected.")


async def list_shares(call: Call) -> Any:
    """List what the visitor shared, and how that went."""
    query: answers.SharesQuery = call.query
    found = await call.service(Shares).list(call.visitor.visitor, query.item, call.reading)
    return {"shares": [_share(one) for one in found]}


async def share(call: Call) -> Any:
    """Share a comment of one's own with connected accounts. Once it is published; sent again, what failed is tried
    again."""
    sent: answers.ShareBody = call.body
    found = await call.service(Shares).share(call.visitor.visitor, sent.item, list(sent.networks))
    return {"shares": [_share(one) for one in found]}


ROUTES = (
    Route(
        method="GET", path=_ACCOUNTS, name="listShareAccounts",
        summary="List the networks, the visitor's connected accounts and their latest shares.",
        handler=list_accounts, query=answers.WordsQuery, answer=answers.AccountsAnswer, caller=Caller.VISITOR,
        limit="reads",
        preference=ReadPreference.PRIMARY,
    ),
    Route(
        method="POST", path=_ACCOUNTS, name="connectShareAccount",
        summary="Connect the account that a network's window brought a code for.",
        handler=connect, query=answers.WordsQuery, body=answers.ConnectBody, answer=answers.AccountsAnswer,
        caller=Caller.SESSION, limit="sharing.connect", preference=ReadPreference.PRIMARY, refusals=("bad-code",),
    ),
    Route(
        method="DELETE", path=_ACCOUNTS + "/{network:text}", name="disconnectShareAccount",
        summary="Disconnect an account; its tokens are given back to the network.",
        handler=disconnect, status=204, caller=Caller.SESSION, limit="sharing.connect", refusals=("not-found",),
    ),
    Route(
        method="GET", path=_SHARES, name="listShares", summary="List what the visitor shared, and how that went.",
        handler=list_shares, query=answers.SharesQuery, answer=answers.SharesAnswer, caller=Caller.SESSION,
        limit="reads", preference=ReadPreference.PRIMARY,
    ),
    Route(
        method="POST", path=_SHARES, name="share",
        summary="Share a comment of one's own with connected accounts, once it is published.",
        handler=share, body=answers.ShareBody, answer=answers.SharesAnswer, caller=Caller.SESSION,
        limit="sharing.share", refusals=("not-found", "not-connected", "not-public"),
    ),
)  # fmt: skip
