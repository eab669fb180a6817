"""Routes of a site's webhooks: endpoints, their secrets, what they were told, and sending it again."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from cackled.api.answers import Id
from cackled.api.calls import Call, etag, json_response, version_matched
from cackled.api.route import VERSIONED, Caller, Route
from cackled.domain.audit import Audit
from cackled.domain.channels import parse_id
from cackled.domain.errors import NotFound
from cackled.domain.webhook_endpoints import MOST_NOTE, OVERLAP, Delivery, Endpoint, Endpoints, EventTypes, Try
from cackled.domain.webhook_sending import WebhookSender
from cackled.transport.response import Response

_Url = Annotated[str, Meta(max_length=2000, description="where events are sent by POST: https://...")]
_Types = Annotated[list[str], Meta(max_length=200, description="which events; none: all")]
_Note = Annotated[str, Meta(max_length=4 * MOST_NOTE, description="what it is for")]
_Before = Annotated[str, Meta(max_length=20, description="`next` of the page before")]
_Size = Annotated[int, Meta(ge=1, le=200)]


class WebhooksAnswer(Struct, frozen=True):
    """The webhook endpoints of a site, and the available events."""

    webhooks: list[Endpoint]
    types: list[str]


class WebhookBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A new webhook endpoint."""

    url: _Url
    types: _Types = []
    note: _Note = ""


class WebhookChange(Struct, frozen=True, forbid_unknown_fields=True):
    """The members of an endpoint to change. Switching it on, or changing its address, resets its failure state."""

    url: _Url | UnsetType = UNSET
    types: _Types | UnsetType = UNSET
    note: _Note | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class WebhookSecretBody(Struct, frozen=True, forbid_unknown_fields=True):
    """How many seconds the old secret also signs."""

    overlap: Annotated[int, Meta(ge=0, le=30 * 86_400)] = OVERLAP


class MadeWebhook(Struct, frozen=True):
    """The new secret of an endpoint. It is shown only here."""

    id: Id
    secret: str


class WebhookTestAnswer(Struct, frozen=True):
    """The result of a test: the HTTP status or the error, and the time taken."""

    ok: bool
    status: int | None
    millis: int
    error: str


class DeliveriesQuery(Struct, frozen=True):
    """Filters and cursor of deliveries."""

    state: Literal["", "waiting", "sent", "dead"] = ""
    type: Annotated[str, Meta(max_length=60)] = ""
    cursor: _Before = ""
    size: _Size = 50


class DeliveriesAnswer(Struct, frozen=True):
    """Deliveries, newest first. ``next`` is the cursor of the next page, if there is one."""

    deliveries: list[Delivery]
    next: str | None


class DeliveryAnswer(Struct, frozen=True):
    """A delivery: the payload as it stands now, and the attempts."""

    id: Id
    data: Any
    tries: list[Try]


class TriesQuery(Struct, frozen=True):
    """Filters and cursor of requests to an endpoint."""

    cursor: _Before = ""
    size: _Size = 50


class TriesAnswer(Struct, frozen=True):
    """Requests to an endpoint, tests included, newest first.

    ``next`` is the cursor of the next page, if there is one.
    """

    tries: list[Try]
    next: str | None


class ReplayAnswer(Struct, frozen=True):
    """The number of deliveries that were queued again."""

    count: int


def _answer(one: Endpoint, status: int = 200) -> Response:
    return json_response(one, status, etag(one.version))


async def list_webhooks(call: Call) -> WebhooksAnswer:
    """List the site's webhook endpoints and the available events."""
    return WebhooksAnswer(await call.service(Endpoints).listed(), list(call.shared(EventTypes).names))


async def get_webhook(call: Call) -> Response:
    """Get a webhook endpoint. Its ETag is needed to change it."""
    return _answer(await call.service(Endpoints).get(call.number("webhook")))


async def make_webhook(call: Call) -> MadeWebhook:
    """Create a webhook endpoint. Its secret is shown once."""
    sent: WebhookBody = call.body
    number, secret = await call.service(Endpoints).add(sent.url, sent.types, sent.note, call.colleague.name)
    await call.service(Audit).record(call.colleague, "webhook.made", f"webhook:{number}", types=sent.types)
    return MadeWebhook(str(number), secret)


async def change_webhook(call: Call) -> Response:
    """Change a webhook endpoint. Requires If-Match."""
    sent: WebhookChange = call.body
    number = call.number("webhook")
    given = {name: value for name, value in msgspec.structs.asdict(sent).items() if value is not UNSET}
    made = await call.service(Endpoints).change(number, version_matched(call.request), **given)
    given.pop("note", None)
    given.pop("url", None)
    await call.service(Audit).record(call.colleague, "webhook.changed", f"webhook:{number}", **given)
    return _answer(made)


async def rotate_webhook(call: Call) -> MadeWebhook:
    """Rotate the secret. For a while requests are signed with both."""
    number = call.number("webhook")
    secret = await call.service(Endpoints).rotate(number, call.body.overlap)
    await call.service(Audit).record(call.colleague, "webhook.rotated", f"webhook:{number}")
    return MadeWebhook(str(number), secret)


async def remove_webhook(call: Call) -> None:
    """Delete a webhook endpoint."""
    number = call.number("webhook")
    await call.service(Endpoints).remove(number)
    await call.service(Audit).record(call.colleague, "webhook.removed", f"webhook:{number}")


async def test_webhook(call: Call) -> WebhookTestAnswer:
    """Send a test event now, and get the result."""
    tried = await call.shared(WebhookSender).test(call.site.id, call.number("webhook"))
    if tried is None:
        raise NotFound("There is no such webhook.")
    return WebhookTestAnswer(tried.outcome == "done", tried.status, tried.millis, tried.error)


async def list_deliveries(call: Call) -> DeliveriesAnswer:
    """List the deliveries of an endpoint, newest first."""
    query: DeliveriesQuery = call.query
    number = call.number("webhook")
    endpoints = call.service(Endpoints)
    await endpoints.get(number)
    before = parse_id(query.cursor, "cursor") if query.cursor else None
    found = await endpoints.deliveries(
        number, state=query.state, type_=query.type, before=before, size=query.size + 1
    )
    shown = found[: query.size]
    return DeliveriesAnswer(shown, shown[-1].id if len(found) > query.size else None)


async def get_delivery(call: Call) -> Response:
    """Get a delivery with its payload and attempts."""
    number, event = call.number("webhook"), call.number("delivery")
    endpoints = call.service(Endpoints)
    data = msgspec.Raw((await endpoints.data(number, event)).encode())
    tries = await endpoints.tries(number, event, size=200)
    return json_response({"id": str(event), "data": data, "tries": tries})


async def list_tries(call: Call) -> TriesAnswer:
    """List the requests to an endpoint, newest first."""
    query: TriesQuery = call.query
    number = call.number("webhook")
    endpoints = call.service(Endpoints)
    await endpoints.get(number)
    before = parse_id(query.cursor, "cursor") if query.cursor else None
    found = await endpoints.tries(number, before=before, size=query.size + 1)
    shown = found[: query.size]
    return TriesAnswer(shown, shown[-1].id if len(found) > query.size else None)


async def replay_delivery(call: Call) -> ReplayAnswer:
    """Replay a delivery."""
    number, event = call.number("webhook"), call.number("delivery")
    count = await call.service(Endpoints).replay(number, event)
    await call.service(Audit).record(call.colleague, "webhook.replayed", f"webhook:{number}", event=str(event))
    return ReplayAnswer(count)


async def replay_dead(call: Call) -> ReplayAnswer:
    """Replay all dead letters of an endpoint."""
    number = call.number("webhook")
    count = await call.service(Endpoints).replay(number)
    await call.service(Audit).record(call.colleague, "webhook.replayed", f"webhook:{number}", count=count)
    return ReplayAnswer(count)


def _of(method: str, path: str, name: str, summary: str, handler: Any, **more: Any) -> Route:
    return Route(
        method=method, path=f"/sites/{{site}}/webhooks{path}", name=name, summary=summary, handler=handler,
        caller=Caller.STAFF, role="admin", scope="read" if method == "GET" else "sync", limit="", **more,
    )  # fmt: skip


ROUTES = (
    _of("GET", "", "listWebhooks", "List the site's webhook endpoints and the available events.", list_webhooks,
        answer=WebhooksAnswer),
    _of("POST", "", "makeWebhook", "Create a webhook endpoint. Its secret is shown once.",
        make_webhook, body=WebhookBody,
        answer=MadeWebhook, status=201, refusals=("webhooks",)),
    _of("GET", "/{webhook}", "getWebhook", "Get a webhook endpoint. Its ETag is needed to change it.", get_webhook,
        answer=Endpoint),
    _of("PATCH", "/{webhook}", "changeWebhook", "Change a webhook endpoint. Requires If-Match.", change_webhook,
        body=WebhookChange, answer=Endpoint, refusals=VERSIONED),
    _of("DELETE", "/{webhook}", "removeWebhook", "Delete a webhook endpoint.", remove_webhook, status=204),
    _of("POST", "/{webhook}/rotate", "rotateWebhook",
        "Rotate the secret. For a while requests are signed with both.",
        rotate_webhook, body=WebhookSecretBody, bodiless=True,
        answer=MadeWebhook, status=201),
    _of("POST", "/{webhook}/test", "testWebhook", "Send a test event now, and get the result.", test_webhook,
        answer=WebhookTestAnswer),
    _of("GET", "/{webhook}/tries", "listWebhookTries", "List the requests to an endpoint, newest first.", list_tries,
        query=TriesQuery, answer=TriesAnswer),
    _of("GET", "/{webhook}/deliveries", "listWebhookDeliveries",
        "List the deliveries of an endpoint, newest first.", list_deliveries, query=DeliveriesQuery,
        answer=DeliveriesAnswer),
    _of("GET", "/{webhook}/deliveries/{delivery}", "getWebhookDelivery",
        "Get a delivery with its payload and attempts.",
        get_delivery, answer=DeliveryAnswer),
    _of("POST", "/{webhook}/deliveries/{delivery}/replay", "replayWebhookDelivery", "Replay a delivery.",
        replay_delivery, answer=ReplayAnswer),
    _of("POST", "/{webhook}/replay", "replayWebhook", "Replay all dead letters of an endpoint.", replay_dead,
        answer=ReplayAnswer),
)  # fmt: skip
