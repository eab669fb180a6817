"""A Python module from the API's description: Python 3.11 or later, the standard library alone."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Mapping
from typing import Any

from cackled.api.clients import Operation, operations, reference

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")

_HEAD = '''"""A client of cackled %s, made from the description of its API (/api/v1/openapi.json).

Do not change it: make it again.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Literal, NotRequired, TypedDict

RETRIED = (429, 503)


class Refused(Exception):
    """The server said no: ``slug`` names the problem for programs (RFC 9457)."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(str(problem.get("detail") or problem.get("title") or f"HTTP {status}"))
        self.status = status
        self.problem = problem
        self.slug = str(problem.get("type", "")).rpartition("/")[2]


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: a key goes to the server that it is for, and nowhere else."""

    def redirect_request(self, *args: Any) -> None:
        return None


class Client:
    """*base* is the server's address (https://comments.example), *token* a key of the site or a session's token.

    ``headers`` are those of the last answer: ETag, RateLimit, X-Cackled-Staleness.
    """

    def __init__(self, base: str, token: str = "", *, timeout: float = 30.0, tries: int = 4) -> None:
        self.base = base.rstrip("/")
        self.token = token
        self.timeout = timeout
        self.tries = tries
        self.headers: Any = {}
        self._opener = urllib.request.build_opener(_Stay)

    @property
    def etag(self) -> str:
        """The ETag of the last answer, to be sent as ``match``."""
        return str(self.headers.get("ETag", ""))

    def call(
        self, method: str, path: str, query: dict[str, Any], body: Any = None, *, key: str = "", match: str = "",
        text: bool = False,
    ) -> Any:
        """One call; gives what was answered, or raises `Refused` or `OSError`."""
        pairs = []
        for name, value in query.items():
            for one in value if isinstance(value, (list, tuple)) else [value]:
                if one is not None:
                    pairs.append((name, str(one).lower() if isinstance(one, bool) else str(one)))
        address = f"{self.base}/api/v1{path}" + (f"?{urllib.parse.urlencode(pairs)}" if pairs else "")
        headers = {"Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        if key:
            headers["Idempotency-Key"] = key
        if match:
            headers["If-Match"] = match
        for count in range(1, self.tries + 1):
            request = urllib.request.Request(address, data, headers, method=method)
            try:
                with self._opener.open(request, timeout=self.timeout) as answer:
                    self.headers = answer.headers
                    said = answer.read()
            except urllib.error.HTTPError as error:
                self.headers = error.headers
                said = error.read()
                # Only what is done once may come twice.
                if error.code in RETRIED and count < self.tries and (method == "GET" or key):
                    after = error.headers.get("Retry-After", "")
                    time.sleep(float(after) if after.isdigit() else float(count))
                    continue
                try:
                    problem = json.loads(said)
                except ValueError:
                    problem = {}
                raise Refused(error.code, problem if isinstance(problem, dict) else {}) from None
            if text:
                return said.decode()
            return json.loads(said) if said else None
        raise AssertionError
'''
_TAIL = '''

def pages(ask: Callable[[str | None], Any]) -> Iterator[Any]:
    """Every page of a list: ``pages(lambda cursor: client.list_webhook_deliveries(1, "7", cursor=cursor))``."""
    cursor = None
    while True:
        page = ask(cursor)
        yield page
        cursor = page.get("next") or page.get("cursor")
        if not cursor:
            return

'''


def module(document: Mapping[str, Any]) -> str:
    """The source of the client."""
    parts = [_HEAD % document["info"]["version"]]
    parts += [_method(one) for one in operations(document)]
    parts.append(_TAIL)
    parts += [_shape(name, schema) for name, schema in document["components"]["schemas"].items()]
    return "\n".join(parts)


def type_of(schema: Mapping[str, Any] | None) -> str:
    """The type that a JSON Schema describes; what is not known here is ``Any``."""
    if not schema:
        return "Any"
    name = reference(schema)
    if name is not None:
        return _name_of(name)
    if "const" in schema or "enum" in schema:
        return "Literal[" + ", ".join(repr(one) for one in schema.get("enum", [schema.get("const")])) + "]"
    if "anyOf" in schema or "oneOf" in schema:
        return " | ".join(dict.fromkeys(type_of(one) for one in schema.get("anyOf") or schema["oneOf"]))
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(type_of({**schema, "type": one}) for one in kind)
    if kind == "array":
        return f"list[{type_of(schema.get('items') if isinstance(schema.get('items'), Mapping) else None)}]"
    if kind == "object":
        more = schema.get("additionalProperties")
        return f"dict[str, {type_of(more if isinstance(more, Mapping) else None)}]"
    known = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
    return known.get(str(kind), "Any")


def _name_of(name: str) -> str:
    return re.sub(r"\W+", "_", name)


def _snake(name: str) -> str:
    made = re.sub(r"\W+", "_", _CAPITAL.sub("_", name).lower())
    return made + "_" if keyword.iskeyword(made) else made


def _shape(name: str, schema: Mapping[str, Any]) -> str:
    if schema.get("type") != "object" or "properties" not in schema:
        return f"{_name_of(name)} = {json.dumps(type_of(schema))}\n"
    required = set(schema.get("required", ()))
    members = [
        f"{json.dumps(key)}: {json.dumps(type_of(one) if key in required else f'NotRequired[{type_of(one)}]')}"
        for key, one in schema["properties"].items()
    ]
    return f"{_name_of(name)} = TypedDict({json.dumps(_name_of(name))}, {{{', '.join(members)}}})\n"


def _method(one: Operation) -> str:
    places = [given for given in one.arguments if given.where == "path"]
    queries = [given for given in one.arguments if given.where == "query"]
    signature = ["self", *(f"{_snake(given.name)}: {type_of(given.schema)}" for given in places)]
    if one.body is not None:
        signature.append(f"body: {type_of(one.body)}" + ("" if one.body_required else " = {}"))
    named = [
        f"{_snake(given.name)}: {type_of(given.schema)}" + ("" if given.required else " | None = None")
        for given in queries
    ]
    if one.once:
        named.append("key: str | None = None")
    if one.conditional:
        named.append('match: str = ""')
    if named:
        signature += ["*", *named]
    path = re.sub(r"\{(\w+)\}", lambda found: f"{{urllib.parse.quote(str({_snake(found[1])}), safe='')}}", one.path)
    query = ", ".join(f"{json.dumps(given.name)}: {_snake(given.name)}" for given in queries)
    more = ["key=key or str(uuid.uuid4())"] if one.once else []
    more += ["match=match"] if one.conditional else []
    more += ["text=True"] if one.text else []
    answer = "str" if one.text else "None" if one.answer is None else type_of(one.answer)
    body = "None" if one.body is None else "body"
    call = ", ".join([f'"{one.method}"', f'f"{path}"', f"{{{query}}}", body, *more])
    done = f"self.call({call})" if answer == "None" else f"answer: {answer} = self.call({call})\n        return answer"
    return (
        f"    def {_snake(one.name)}({', '.join(signature)}) -> {answer}:\n"
        f"        {json.dumps(one.summary)}\n        {done}\n"
    )
