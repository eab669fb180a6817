"""The routes of comments. Handlers only translate; the rules are in the service."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import urljoin

import msgspec
from msgspec import UnsetType

from cackled.api.answers import PositionAnswer
from cackled.api.calls import Call, json_response, tokens
from cackled.api.route import Caller, Reach, Route
from cackled.api.widget import FirstPage, FirstRender, Widget
from cackled.database.errors import DatabaseError
from cackled.database.query import ReadPreference
from cackled.domain.channels import ChannelRef, check_channel, parse_id
from cackled.domain.errors import BadField, NotFound, Unauthorized
from cackled.domain.page_facts import page_title, page_url
from cackled.domain.page_keys import fit, is_address
from cackled.domain.sites import Site
from cackled.moderation.verdict import Signs
from cackled.products.comments import answers
from cackled.products.comments.by_author import ByAuthor
from cackled.products.comments.by_author import Written as Whereabouts
from cackled.products.comments.lately import Lately
from cackled.products.comments.moderation import CommentModeration
from cackled.products.comments.pages import NOBODY, Wanted, check_cursor
from cackled.products.comments.picked import Picked
from cackled.products.comments.service import Comments, Written
from cackled.products.comments.settings import LONGEST_REACTION, CommentSettings
from cackled.transport.response import Response

# Anything that can be one.
_REACTION = re.compile(r"[^\s,\x00-\x1f\x7f]+")


def wanted(query: answers.PageQuery | answers.FirstQuery) -> Wanted:
    """The page that a query asks for.

    Raises:
        BadField, NotFound: the cursor is not one of ours, or the parent can't be an id.
    """
    parent = parse_id(query.parent, "parent") if query.parent else None
    return Wanted(query.sort, query.size, check_cursor(query.cursor), parent)


async def list_comments(call: Call) -> bytes:
    """List a channel's comments, or the replies to one comment."""
    query: answers.PageQuery = call.query
    page = await call.service(Comments).page(query_channel(call), wanted(query), preference=call.reading)
    return b"{" + page.value + b"}"


def query_channel(call: Call) -> str:
    """The key in the query, as it is stored.

    Raises:
        BadField: there is none, or it can't be one.
    """
    query: answers.PageQuery = call.query
    return check_channel(ChannelRef(_key(query, call.site))).key


def sent_channel(call: Call) -> str:
    """The key of the channel in the body; of the page's address, which may be relative to the page, where it has none.

    Raises:
        BadField: there is none, or it can't be one.
    """
    sent: answers.ChannelBody = call.body.channel
    address = sent.url if isinstance(sent.url, str) else ""
    if address and not is_address(address):
        with suppress(ValueError):
            address = urljoin(call.page, address)
    return check_channel(ChannelRef(call.site.key(sent.key.strip(), address, host=sent.host))).key


async def post_comment(call: Call) -> Response:
    """Write a comment."""
    sent: answers.PostBody = call.body
    parent = None if sent.parent is None else parse_id(sent.parent, "parent")
    written = await call.service(Comments).post(
        call.visitor,
        ChannelRef(sent_channel(call), page_url(sent.channel.url, call.page), page_title(sent.channel.title)),
        sent.text,
        sent.name,
        parent=parent,
        address=call.address,
        idempotency_key=call.idempotency_key,
        anyway=sent.anyway,
        signs=Signs(call.body.website, call.body.seconds, call.body.proof),
        media=sent.media,
    )
    answer = json_response(written_json(written), 201)
    if written.replayed:
        answer.headers.append((b"idempotent-replayed", b"true"))
    return answer


async def preview(call: Call) -> Any:
    """Preview how a text will be shown. Nothing is stored."""
    return {"html": call.service(Comments).preview(call.body.text)}


async def get_comment(call: Call) -> bytes:
    """Get a comment and its position; its author also gets the source."""
    await _seen_comment(call)
    one = await call.service(Comments).one(call.number("comment"), call.session, call.reading)
    place = msgspec.json.encode({"channel": str(one.channel), "permalink": one.permalink})
    return b'{"comment":' + one.json + b"," + place[1:]


async def edit_comment(call: Call) -> bytes:
    """Edit the caller's own comment."""
    comment = await _seen_comment(call)
    sent: answers.EditBody = call.body
    media = None if isinstance(sent.media, UnsetType) else sent.media
    service = call.service(Comments)
    return written_json(await service.edit(call.visitor, comment, sent.text, address=call.address, media=media))


async def delete_comment(call: Call) -> bytes:
    """Delete the caller's own comment."""
    comment = await _seen_comment(call)
    return written_json(await call.service(Comments).delete(call.visitor, comment))


async def vote(call: Call) -> Any:
    """Vote on a comment. 0 removes the vote."""
    if not call.site.product(CommentSettings).votes:
        raise NotFound("This site takes no votes.")
    comment = await _seen_comment(call)
    voted = await call.service(Comments).vote(call.visitor, comment, call.body.value, address=call.address)
    return {
        "id": call.parameters["comment"],
        "up": voted.up,
        "down": voted.down,
        "score": voted.up - voted.down,
        "value": voted.value,
        "position": str(voted.position),
    }


async def react(call: Call) -> Any:
    """Add a reaction to a comment; each reaction counts once per visitor."""
    return await _react(call, True)


async def take_reaction_back(call: Call) -> Any:
    """Remove the caller's reaction, even one that the site no longer offers."""
    return await _react(call, False)


async def _react(call: Call, on: bool) -> Any:
    name = call.parameters["name"]
    comment = await _seen_comment(call)
    known = call.site.product(CommentSettings).shown_reactions
    if (on and name not in known) or len(name) > LONGEST_REACTION or not _REACTION.fullmatch(name):
        raise NotFound("This site has no such reaction.")
    made = await call.service(Comments).react(call.visitor, comment, name, on, address=call.address)
    return {
        "id": call.parameters["comment"],
        "reactions": msgspec.Raw(made.reactions),
        "name": name,
        "on": on,
        "position": str(made.position),
    }


async def flag(call: Call) -> Any:
    """Report a comment."""
    comment = await _seen_comment(call)
    await call.service(CommentModeration).flag(call.visitor, comment, call.body.reason or "", address=call.address)
    return answers.Nothing()


async def counts(call: Call) -> Any:
    """Get the number of visible comments for several channels."""
    query: answers.CountsQuery = call.query
    if not 1 <= len(query.channel) + len(query.url) <= answers.MOST_CHANNELS:
        raise BadField(f"Ask for 1 to {answers.MOST_CHANNELS} channels.", field="channel")
    named = {key: check_channel(ChannelRef(call.site.key(fit(key.strip())))).key for key in query.channel}
    made = {url: check_channel(ChannelRef(call.site.key("", url, host=query.host > 0))).key for url in query.url}
    keys = {**made, **named}
    for key in keys.values():
        call.see(key)
    if query.after and len(query.after) != len(query.channel):
        raise BadField("Give an after, a whole number, for each channel, in their order.", field="after")
    after = {keys[key]: seq for key, seq in zip(query.channel, query.after, strict=True)} if query.after else {}
    found = await call.service(Comments).counts(list(dict.fromkeys(keys.values())), call.reading, after)
    return {"counts": {asked: found[key] for asked, key in keys.items()}, **({"keys": made} if made else {})}


async def list_by_author(call: Call) -> bytes:
    """List a visitor's comments on the site, newest first."""
    query: answers.ByAuthorQuery = call.query
    author, session = call.number("visitor"), call.session
    before = parse_id(query.cursor, "cursor") if query.cursor else 2**63 - 1

    def sees(key: str) -> bool:
        return call.context.doors.refused(call.site, key, "read", session, tokens(call.request)) is None

    own = session is not None and session.visitor == author and session.level > 0
    found, after = await call.service(ByAuthor).page(author, own, before, query.size, call.reading, sees)
    last = b"null" if after is None else b'"%d"' % after
    return b'{"comments":[' + _with_places(found) + b'],"cursor":' + last + b"}"


def _with_places(found: list[Whereabouts]) -> bytes:
    return b",".join(
        b'{"comment":' + one.json.encode() + b"," + msgspec.json.encode(
            {"key": one.key, "title": one.title, "permalink": one.permalink}
        )[1:]
        for one in found
    )  # fmt: skip


async def lately(call: Call) -> bytes:
    """List the site's latest comments, or the best rated of some days. Answers may be a few seconds old."""
    query: answers.LatelyQuery = call.query
    session = call.session

    def sees(key: str) -> bool:
        return call.context.doors.refused(call.site, key, "read", session, tokens(call.request)) is None

    return b'{"comments":[' + _with_places(await call.service(Lately).find(query.size, query.days, sees)) + b"]}"


async def filtered(call: Call) -> bytes:
    """List the caller's own comments in a channel, or those of staff, newest first."""
    query: answers.FilterQuery = call.query
    if query.by == "me" and call.session is None:
        raise Unauthorized("Open a session first.", slug="no-token")
    before = parse_id(query.cursor, "cursor") if query.cursor else 2**63 - 1
    author = call.session.visitor if query.by == "me" and call.session is not None else None
    found, after = await call.service(Picked).filtered(sent_key(call), author, before, query.size, call.reading)
    last = b"null" if after is None else b'"%d"' % after
    return b'{"comments":[' + b",".join(one.encode() for one in found) + b'],"cursor":' + last + b"}"


def sent_key(call: Call) -> str:
    """The channel's key in the query, as it is stored.

    Raises:
        BadField: it can't be one.
    """
    query: answers.MentionQuery | answers.FilterQuery = call.query
    return check_channel(ChannelRef(call.site.key(fit(query.channel.strip())))).key


async def mentions(call: Call) -> Any:
    """Suggest people to mention by the beginning of a name; participants of the conversation come first."""
    query: answers.MentionQuery = call.query
    found = await call.service(Picked).mentionable(call.visitor, sent_key(call), query.q)
    return {"people": [{"id": str(visitor), "name": name} for visitor, name in found]}


async def _seen_comment(call: Call) -> int:
    """The comment of the path, in a channel that the caller may see: before each write that names a comment alone."""
    comment = call.number("comment")
    await call.see_channel_of(partial(call.service(Comments).channel_of, comment))
    return comment


def written_json(written: Written) -> bytes:
    """The answer to a write."""
    comment = b'"comment":' + written.comment + b"," if written.comment else b""
    return b"{" + comment + b'"position":"' + str(written.position).encode() + b'"}'


def _key(query: answers.PageQuery, site: Site) -> str:
    return site.key(fit(query.channel.strip()), query.url, host=query.host > 0)


def first_key(query: answers.PageQuery, site: Site) -> str:
    """The channel of a page of comments: ``channel``, else that of the page at ``url``.

    Raises:
        BadField: neither is given.
    """
    key = _key(query, site)
    if not key:
        raise BadField("Name the channel or the url.", field="channel")
    return check_channel(ChannelRef(key)).key


async def first_page(render: FirstRender) -> FirstPage:
    """The first page of a channel, and the visitor's own votes and blocks."""
    comments, key = render.service(Comments), first_key(render.query, render.site)
    page = await comments.page(key, wanted(render.query), preference=render.reading)
    me = NOBODY
    if render.session is not None:
        try:
            # A vote just counted in the page must not be missing here: both are read from a copy as new.
            render.context.count_read(render.site.id, ReadPreference.PRIMARY_PREFERRED)
            me = await comments.mine(key, render.session, ReadPreference.PRIMARY_PREFERRED)
        except DatabaseError:
            # The page is readable without it; the widget asks again when it is back.
            me = b"null"
    return FirstPage(page.value, page.seq, me)


WIDGETS = (
    Widget(
        name="Comment", query=answers.FirstQuery, key=first_key, page=first_page, answer=answers.Page, me=answers.Mine,
    ),
)

_ONE = "/sites/{site}/comments/{comment}"

ROUTES = (
    Route(
        method="GET", path="/sites/{site}/comments", name="listComments",
        summary="List a channel's comments, or the replies to one comment.",
        handler=list_comments, query=answers.PageQuery, answer=answers.Page,
        reach=Reach.CHANNEL, channel=query_channel, limit="reads", preference=ReadPreference.PRIMARY,
    ),
    Route(
        method="POST", path="/sites/{site}/comments", name="postComment", summary="Write a comment.",
        handler=post_comment, body=answers.PostBody, answer=answers.WrittenComment, status=201, mend=True,
        caller=Caller.SESSION, reach=Reach.CHANNEL, channel=sent_channel,
        limit="comments.post", idempotent=True, writes=True,
        refusals=(
            "text-empty", "text-too-long", "parent", "depth", "banned", "locked", "key", "rule", "name-taken",
            "proof-needed", "read-only", "slow", "warned", "nudge", "media-unknown",
            "comment-locked",
        ),
    ),
    Route(
        method="POST", path="/sites/{site}/comments/preview", name="previewComment",
        summary="Preview how a text will be shown. Nothing is stored.",
        handler=preview, body=answers.PreviewBody, answer=answers.Preview,
        caller=Caller.SESSION, limit="comments.preview", refusals=("text-empty", "text-too-long"),
    ),
    Route(
        method="GET", path="/sites/{site}/comments/filtered", name="filterComments",
        summary="List the caller's own comments in a channel, or those of staff, newest first.",
        handler=filtered, query=answers.FilterQuery, answer=answers.Filtered, caller=Caller.VISITOR,
        reach=Reach.CHANNEL, channel=sent_key, limit="reads", preference=ReadPreference.NEAREST,
    ),
    Route(
        method="GET", path="/sites/{site}/comments/lately", name="listLately",
        summary="List the site's latest comments, or the best rated of some days. Answers may be a few seconds old.",
        handler=lately, query=answers.LatelyQuery, answer=answers.Lately, caller=Caller.VISITOR,
        reach=Reach.ALL, limit="reads",
    ),
    Route(
        method="GET", path="/sites/{site}/mentions", name="completeMention",
        summary="Suggest people to mention by the beginning of a name; participants of the conversation come first.",
        handler=mentions, query=answers.MentionQuery, answer=answers.Mentionables,
        caller=Caller.SESSION, reach=Reach.CHANNEL, channel=sent_key, limit="comments.preview",
    ),
    Route(
        method="GET", path=_ONE, name="getComment", summary="Get a comment.",
        handler=get_comment, answer=answers.OneComment, caller=Caller.VISITOR, reach=Reach.ALL,
        limit="reads", preference=ReadPreference.PRIMARY,
    ),
    Route(
        method="PATCH", path=_ONE, name="editComment", summary="Edit the caller's own comment.",
        handler=edit_comment, body=answers.EditBody, answer=answers.WrittenComment,
        caller=Caller.SESSION, reach=Reach.THING, limit="comments.change", writes=True,
        refusals=(
            "text-empty", "text-too-long", "banned", "author", "window", "comment", "read-only", "comment-locked",
            "rule", "media-unknown",
        ),
    ),
    Route(
        method="DELETE", path=_ONE, name="deleteComment", summary="Delete the caller's own comment.",
        handler=delete_comment, answer=PositionAnswer,
        caller=Caller.SESSION, reach=Reach.THING, limit="comments.change", writes=True,
        refusals=("author", "comment", "read-only", "replies", "staff-only"),
    ),
    Route(
        method="PUT", path=_ONE + "/vote", name="voteComment", summary="Vote on a comment. 0 removes the vote.",
        handler=vote, body=answers.VoteBody, answer=answers.Votes,
        caller=Caller.SESSION, reach=Reach.THING, limit="comments.vote", writes=True,
        refusals=("banned", "comment", "read-only"),
    ),
    Route(
        method="PUT", path=_ONE + "/reactions/{name:text}", name="reactToComment",
        summary="Add a reaction to a comment; each reaction counts once per visitor.",
        handler=react, answer=answers.Reactions,
        caller=Caller.SESSION, reach=Reach.THING, limit="comments.vote", writes=True,
        refusals=("banned", "comment", "read-only"),
    ),
    Route(
        method="DELETE", path=_ONE + "/reactions/{name:text}", name="takeReactionBack",
        summary="Remove the caller's reaction.",
        handler=take_reaction_back, answer=answers.Reactions,
        caller=Caller.SESSION, reach=Reach.THING, limit="comments.vote", writes=True,
        refusals=("banned", "comment", "read-only"),
    ),
    Route(
        method="POST", path=_ONE + "/flags", name="flagComment", summary="Report a comment.",
        handler=flag, body=answers.FlagBody, answer=answers.Nothing, status=201,
        caller=Caller.SESSION, reach=Reach.THING, limit="comments.flag", refusals=("banned", "comment", "read-only"),
    ),
    Route(
        method="GET", path="/sites/{site}/visitors/{visitor}/comments", name="listCommentsOfVisitor",
        summary="List a visitor's comments on the site, newest first.",
        handler=list_by_author, query=answers.ByAuthorQuery, answer=answers.ByAuthor, caller=Caller.VISITOR,
        reach=Reach.ALL, limit="reads", preference=ReadPreference.NEAREST,
    ),
    Route(
        method="GET", path="/sites/{site}/counts", name="countComments",
        summary="Get the number of visible comments for several channels.",
        handler=counts, query=answers.CountsQuery, answer=answers.Counts,
        limit="reads", preference=ReadPreference.NEAREST,
    ),
)  # fmt: skip
