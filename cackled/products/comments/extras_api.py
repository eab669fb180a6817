"""Routes of what few comments have. Handlers only translate; the rules are in the services."""

from __future__ import annotations

from cackled.api.calls import Call
from cackled.api.route import Caller, Reach, Route
from cackled.domain.errors import BadField, NotFound
from cackled.products.comments import answers
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


ROUTES = (
    Route(
        method="GET", path="/sites/{site}/formulas", name="typesetFormulas", summary="Convert TeX formulas to MathML.",
        handler=typeset, query=answers.FormulasQuery, answer=answers.Formulas, caller=Caller.ANYONE, reach=Reach.SITE,
        limit="comments.formulas",
    ),
)  # fmt: skip
