"""The form to comment without scripts."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import msgspec

from cackled.api.thread import Posted, ThreadForm, ThreadPost
from cackled.database.query import ReadPreference
from cackled.domain.channels import ChannelRef, parse_id
from cackled.domain.errors import NotFound
from cackled.languages import Language
from cackled.moderation.verdict import Signs
from cackled.products.comments.channels import comment_channel
from cackled.products.comments.permalink import permalink
from cackled.products.comments.service import Comments
from cackled.products.comments.thread.words import PROBLEMS, core_words, own_words, widget_words

# Characters of a text in the address of a form; what is posted has the site's own bound.
LONGEST = 2_000


def show(language: Language, fields: Mapping[str, str]) -> str:
    """Name and text."""
    core, own = core_words(language), own_words(language)
    parent = fields.get("parent", "")
    answered = f'<input type="hidden" name="parent" value="{escape(parent)}">' if parent else ""
    return (
        f"<label>{escape(core('name'))}"
        f'<input name="name" autocomplete="nickname" maxlength="60" value="{escape(fields.get("name", ""))}"></label>'
        f'<label>{escape(own("text"))}<textarea name="text" required rows="6" maxlength="20000">'
        # A line end after the tag is none of the text (HTML, "restrictions on content models").
        f"\n{escape(fields.get('text', ''))}</textarea></label>{answered}"
    )


async def about(post: ThreadPost) -> str:
    """What is answered."""
    if not post.fields["parent"]:
        return ""
    comments = post.service(Comments)
    number = parse_id(post.fields["parent"], "parent")
    one = await comments.one(number, None, ReadPreference.NEAREST)
    if one.channel != comment_channel(post.site, post.key):
        raise NotFound("There is no such comment.")
    found = msgspec.json.decode(one.json)
    if found["deleted"]:
        raise NotFound("There is no such comment.")
    name = found["author"]["name"] or core_words(post.language)("guest")
    told = widget_words(post.language)("replyTo", name=name)
    return f'<p dir="auto">{escape(told)}</p><blockquote class="mc-text" dir="auto">{found["html"]}</blockquote>'


def preview(post: ThreadPost) -> str:
    """The text as it will look."""
    return post.service(Comments).preview(post.fields["text"])


async def write(post: ThreadPost) -> Posted:
    """Post it.

    Raises:
        Refused: as the service says.
    """
    comments = post.service(Comments)
    parent = parse_id(post.fields["parent"], "parent") if post.fields["parent"] else None
    name = post.fields["name"].strip() or core_words(post.language)("guest")
    written = await comments.post(
        post.session, ChannelRef(post.key, post.url, post.title), post.fields["text"], name, parent=parent,
        address=post.address, idempotency_key=post.once, anyway=post.anyway,
        signs=Signs(post.trap, post.seconds, scriptless=True),
    )  # fmt: skip
    made = msgspec.json.decode(written.comment)
    held = made.get("state") == "pending"
    return Posted(made["html"], "" if held else permalink(post.site, post.url, int(made["id"])), held)


FORM = ThreadForm(
    fields=("name", "text", "parent"), longest=LONGEST, show=show, about=about, preview=preview, post=write,
    limit="comments.post", preview_limit="comments.preview", problems=PROBLEMS.words,
)  # fmt: skip
