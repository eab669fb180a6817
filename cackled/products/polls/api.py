"""The routes of polls for visitors. Handlers only translate; the rules are in the service."""

from __future__ import annotations

from typing import Any

import msgspec

from cackled.api.calls import Call
from cackled.api.route import Caller, Reach, Route
from cackled.api.widget import FirstPage, FirstRender, Widget
from cackled.database.errors import DatabaseError
from cackled.database.query import ReadPreference
from cackled.domain.channels import parse_id
from cackled.domain.errors import BadField, NotFound
from cackled.domain.site import Site
from cackled.products.polls import answers
from cackled.products.polls.service import Ballot, Polls

MOST_NUMBER = 2**31 - 1


def path_key(call: Call) -> str:
    """The key of the channel of the poll that the path names."""
    return str(call.number("poll"))


def parse_option(value: str, field: str = "option") -> int:
    """The number of an option as clients write it.

    Raises:
        NotFound: it can't be one.
    """
    number = parse_id(value, field)
    if number > MOST_NUMBER:
        raise NotFound("There is nothing of that number.", field=field)
    return number


async def get_poll(call: Call) -> bytes:
    """Get a poll, and what the caller alone sees of it."""
    polls, poll = call.service(Polls), call.number("poll")
    page = await polls.page(poll, call.reading)
    me = b"null"
    if call.session is not None:
        me = await polls.mine(poll, call.session, call.reading.options.preference)
    return b"{" + page.value + b',"me":' + me + b"}"


def _voted(ballot: Ballot) -> bytes:
    return b'{"position":' + msgspec.json.encode(str(ballot.position)) + b',"me":' + ballot.me + b"}"


async def vote(call: Call) -> bytes:
    """Vote in a poll, or change the vote."""
    body: answers.VoteBody = call.body
    ballot = await call.service(Polls).vote(
        call.visitor, call.number("poll"), body.options, call.address, call.origin or ""
    )
    return _voted(ballot)


async def withdraw(call: Call) -> bytes:
    """Withdraw the caller's vote."""
    ballot = await call.service(Polls).vote(call.visitor, call.number("poll"), [], call.address, call.origin or "")
    return _voted(ballot)


async def propose(call: Call) -> Any:
    """Propose an option. It is shown once the owner accepts it."""
    number = await call.service(Polls).propose(call.visitor, call.number("poll"), call.body.text, call.address)
    return answers.Proposed(str(number))


async def voters(call: Call) -> Any:
    """List the voters of an option, where the poll shows them."""
    query: answers.VotersQuery = call.query
    after = parse_id(query.after, "after") if query.after else 0
    found = await call.service(Polls).voters(
        call.number("poll"), parse_option(query.option), after, call.session
    )
    return answers.Voters([answers.Voter(str(id_), name, avatar) for id_, name, avatar in found])


def first_key(query: answers.PollQuery, site: Site) -> str:
    """The key of the channel of the poll that a page shows.

    Raises:
        BadField: none is named.
    """
    if not query.id:
        raise BadField("Name the poll.", field="poll")
    return str(parse_id(query.id, "poll"))


async def first_page(render: FirstRender) -> FirstPage:
    """A poll, and what the visitor sees of it beside that."""
    polls, poll = render.service(Polls), parse_id(render.query.id, "poll")
    page = await polls.page(poll, render.reading)
    me = b"null"
    if render.session is not None:
        try:
            render.context.count_read(render.site.id, ReadPreference.PRIMARY_PREFERRED)
            me = await polls.mine(poll, render.session, ReadPreference.PRIMARY_PREFERRED)
        except DatabaseError:
            # The poll is readable without it; the widget asks again when it is back.
            me = b"null"
    return FirstPage(page.value, page.seq, me)


WIDGETS = (
    Widget(
        name="Poll", query=answers.PollQuery, key=first_key, page=first_page, answer=answers.PollPage, me=answers.Me
    ),
)
_ONE = "/sites/{site}/polls/{poll}"
_VOTE_REFUSALS = (
    "poll", "poll-closed", "not-open", "sign-in", "voted", "option", "choices", "quota", "banned", "voting-off",
)

ROUTES = (
    Route(
        method="GET", path=_ONE, name="getPoll", summary="Get a poll.", handler=get_poll, answer=answers.OnePoll,
        caller=Caller.VISITOR, reach=Reach.CHANNEL, channel=path_key, limit="reads",
        preference=ReadPreference.PRIMARY,
    ),
    Route(
        method="PUT", path=_ONE + "/vote", name="votePoll", summary="Vote in a poll, or change the vote.",
        handler=vote, body=answers.VoteBody, answer=answers.Voted, caller=Caller.SESSION, reach=Reach.CHANNEL,
        channel=path_key, limit="polls.vote", writes=True, refusals=_VOTE_REFUSALS,
    ),
    Route(
        method="DELETE", path=_ONE + "/vote", name="withdrawVote", summary="Withdraw the caller's vote.",
        handler=withdraw, answer=answers.Voted, caller=Caller.SESSION, reach=Reach.CHANNEL,
        channel=path_key, limit="polls.vote", writes=True, refusals=_VOTE_REFUSALS,
    ),
    Route(
        method="POST", path=_ONE + "/options", name="proposeOption",
        summary="Propose an option. It is shown once the owner accepts it.",
        handler=propose, body=answers.ProposalBody, answer=answers.Proposed, status=201, mend=True,
        caller=Caller.SESSION, reach=Reach.CHANNEL, channel=path_key, limit="polls.propose",
        refusals=("poll", "poll-closed", "not-open", "sign-in", "no-write-in", "proposals", "banned", "option", "rule"),
    ),
    Route(
        method="GET", path=_ONE + "/voters", name="listVoters",
        summary="List the voters of an option, where the poll shows them.",
        handler=voters, query=answers.VotersQuery, answer=answers.Voters, caller=Caller.VISITOR,
        reach=Reach.CHANNEL, channel=path_key, limit="reads", refusals=("secret-voters",),
    ),
)  # fmt: skip
