"""Files of messages in several requests (tus 1.0.0), so that a cut connection costs little.

Each upload is one conversation's: whoever may write there sends it, shows that with every request, and gets a file for
a message.
"""

from __future__ import annotations

from msgspec import Struct

from cackled.api.calls import Call
from cackled.api.route import Caller
from cackled.domain.errors import Conflict
from cackled.media.tus_api import Kind, made_file, tus_routes
from cackled.media.uploads import Sender
from cackled.products.chat import answers
from cackled.products.chat.api import CLOSED, party


class ChatUpload(Struct, frozen=True):
    """An upload: ``at`` of ``length`` bytes (null: not known yet) are here. ``media``: the file, once it is made."""

    at: int
    length: int | None
    media: answers.File | None


async def _sender(call: Call) -> Sender:
    """Who sends the upload of a call.

    Raises:
        NotFound: there is no such conversation, or the token is another's.
        Conflict: it is closed. What is under way there may still be ended.
    """
    caller, place = await party(call), f"chat:{call.number('chat')}"
    if caller.found.state in CLOSED and call.request.method != b"DELETE":
        raise Conflict("This conversation is closed.", slug="chat-closed")
    if caller.side == "visitor":
        return Sender(caller.found.visitor, None, place)
    return Sender(None, caller.account, place)


ROUTES = tus_routes(
    "/sites/{site}/chats/{chat}/uploads", Kind(_sender, made_file),
    ("beginChatUpload", "getChatUpload", "writeChatUpload", "overrideChatUpload", "endChatUpload"), ChatUpload,
    ("chat", "chat-closed", "no-files", "file-type"), caller=Caller.PARTY, role="operator",
)  # fmt: skip
