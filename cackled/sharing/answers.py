"""What the API of sharing takes and gives."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from cackled.api.answers import Time

NetworkName = Literal["mastodon", "bluesky", "vk", "x"]
ItemName = Annotated[
    str, Meta(pattern="^[a-z]{1,20}:[0-9]{1,19}$", description="Kind and number.", examples=["comment:7"])
]


class AccountAnswer(Struct, frozen=True):
    """A connected account."""

    network: NetworkName
    name: Annotated[str, Meta(description="Its name, or its server where the network does not tell more.")]
    lost: Annotated[bool, Meta(description="The network takes our tokens no more: connect it again.")]


class ShareAnswer(Struct, frozen=True):
    """Something that was shared, or will be."""

    item: ItemName
    network: NetworkName
    state: Annotated[
        Literal["held", "waiting", "sent", "failed"], Meta(description="held: until others see the comment.")
    ]
    reason: Annotated[
        Literal["", "down", "limit", "lost", "refused", "broken", "private"], Meta(description="Why it failed.")
    ]
    url: Annotated[str, Meta(description="Where it is at the network; empty where that is not known.")]
    created: Time


class NetworkAnswer(Struct, frozen=True):
    """A network that visitors may connect."""

    name: NetworkName
    asks: Annotated[bool, Meta(description="Its page asks where the account is.")]


class AccountsAnswer(Struct, frozen=True):
    """Networks that can be connected, the accounts that are, and what was shared of late."""

    networks: list[NetworkAnswer]
    accounts: list[AccountAnswer]
    shares: list[ShareAnswer]
    words: Annotated[dict[str, str], Meta(description="What the widget says of it, in the language asked for.")]


class WordsQuery(Struct, frozen=True):
    """The language of the words; the site's without."""

    lang: Annotated[str, Meta(max_length=20)] = ""


class ConnectBody(Struct):
    """The code that the window of a network brought, and the verifier of the page's challenge."""

    code: Annotated[str, Meta(min_length=20, max_length=100)]
    verifier: Annotated[str, Meta(min_length=43, max_length=128)]


class ShareBody(Struct):
    """What to share, and where."""

    item: ItemName
    networks: Annotated[list[NetworkName], Meta(min_length=1, max_length=4)]


class SharesQuery(Struct, frozen=True):
    """Of which item; all of the latest without."""

    item: Annotated[str, Meta(max_length=40)] = ""


class SharesAnswer(Struct, frozen=True):
    """What was shared."""

    shares: list[ShareAnswer]
