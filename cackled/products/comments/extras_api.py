"""Routes of what few comments have. Handlers only translate; the rules are in the services."""

from __future__ import annotations

from cackled.api.calls import Call
from cackled.api.route import Caller, Reach, Route
from cackled.domain.errors import BadField, NotFound
from cackled.domain.signed_media import SignedMedia
from cackled.media.answers import MediaAnswer, shown
from cackled.media.image_workers import REASONS
from cackled.media.store import MediaStore
from cackled.products.comments import answers
from cackled.products.comments.gifs import Gifs
from cackled.products.comments.settings import CommentSettings
from cackled.products.comments.typesetting import Typesetter
from cackled.transport.response import Response, json_response

# The same formula looks the same, until a release knows more commands.
AGE = b"private, max-age=86400"


async def typeset(call: Call) -> Response:
    """Convert TeX formulas to MathML."""
    query: answers.FormulasQuery = call.query
    if not call.site.product(CommentSettings).math:
        raise NotFound("This site has no formulas.")
    if sum(map(len, (*query.inline, *query.block))) > answers.MOST_FORMULA_TEXT:
        raise BadField(f"At most {answers.MOST_FORMULA_TEXT} characters together.", field="inline")
    typesetter = call.shared(Typesetter)
    made = answers.Formulas(
        await typesetter.typeset(query.inline, block=False), await typesetter.typeset(query.block, block=True)
    )
    return json_response(made, 200, ((b"cache-control", AGE),))


async def search_gifs(call: Call) -> answers.GifAnswers:
    """Search for moving pictures on the site's own server."""
    found = await call.shared(Gifs).search(call.site, call.query.q)
    return answers.GifAnswers([answers.GifAnswer(one.preview, one.url, one.alt) for one in found])


async def take_gif(call: Call) -> MediaAnswer:
    """Add a picture of that search, as one of the caller's."""
    body: answers.GifBody = call.body
    media = call.shared(MediaStore).of(call.site)
    media.admit()
    raw = await call.shared(Gifs).fetch(call.site, body.url)
    made = await media.add(raw, body.alt, call.visitor.visitor)
    return shown(call.site.id, made, call.shared(SignedMedia))


MEDIA_REFUSED = tuple(f"media-{one}" for one in ("unknown", "large", "hourly", "room", "harmful", *REASONS))
ROUTES = (
    Route(
        method="GET", path="/sites/{site}/formulas", name="typesetFormulas", summary="Convert TeX formulas to MathML.",
        handler=typeset, query=answers.FormulasQuery, answer=answers.Formulas, caller=Caller.ANYONE, reach=Reach.SITE,
        limit="comments.formulas",
    ),
    Route(
        method="GET", path="/sites/{site}/gifs", name="searchGifs",
        summary="Search for moving pictures on the site's own server.",
        handler=search_gifs, query=answers.GifsQuery, answer=answers.GifAnswers, caller=Caller.SESSION,
        limit="comments.gifs",
    ),
    Route(
        method="POST", path="/sites/{site}/gifs", name="takeGif",
        summary="Add a picture of that search, as one of the caller's.",
        handler=take_gif, body=answers.GifBody, answer=MediaAnswer, status=201, caller=Caller.SESSION,
        limit="comments.gifs", refusals=("no-pictures", *MEDIA_REFUSED),
    ),
)  # fmt: skip
