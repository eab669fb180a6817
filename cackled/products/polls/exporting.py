"""The polls of a site as JSON lines: questions with their options, then who voted for what."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from cackled.database.query import Query
from cackled.database.routing import Database
from cackled.domain.site import Site
from cackled.importing.exports import Export, export_lines
from cackled.importing.signed_lines import LineKey

_TIME = "'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'"
SELECT_POLLS = Query(
    "export_polls",
    f"""
    select p.id::text, json_build_object(
      'type', 'poll', 'id', p.id::text, 'page', h.key, 'url', h.url, 'kind', p.kind, 'question', p.question,
      'description', p.description, 'explanation', p.explanation, 'least', p.least, 'most', p.most,
      'results', p.results, 'identity', p.identity, 'changeable', p.changeable, 'write_in', p.write_in,
      'quota', p.quota, 'burst', p.burst, 'voters_shown', p.voters_shown, 'removed', p.removed, 'version', p.version,
      'by', p.created_by,
      'opens', to_char(p.opens_at at time zone 'utc', {_TIME}),
      'closes', to_char(p.closes_at at time zone 'utc', {_TIME}),
      'closed', to_char(p.closed_at at time zone 'utc', {_TIME}),
      'created', to_char(p.created_at at time zone 'utc', {_TIME}), 'voters', p.voters,
      'options', (
        select coalesce(json_agg(json_build_object(
          'number', o.number, 'text', o.text, 'image', o.image, 'video', o.video, 'value', o.value,
          'correct', o.correct, 'state', o.state, 'votes', o.votes, 'place', o.place, 'status', o.status,
          'seen', o.seen, 'proposer', o.proposer_id::text, 'item', o.item::text, 'version', o.version, 'marks', o.marks,
          'created', to_char(o.created_at at time zone 'utc', {_TIME})) order by o.place, o.number), '[]')
        from poll_option o where o.site_id = $1 and o.poll_id = p.id))::text
    from poll p left join channel h on h.site_id = $1 and h.id = p.channel_id
    where p.site_id = $1 and p.id > $2::bigint order by p.id limit $3
    """,
    ("int", "text", "int"),
)
# Not the network: it leads to somebody's machine. Who voted is given only where the poll shows its voters; for this
# server alone, whose ballot it is stands there sealed, for each poll anew.
SELECT_BALLOTS = Query(
    "export_ballots",
    f"""
    select concat(b.poll_id, ' ', b.voter), json_build_object(
      'type', 'ballot', 'poll', b.poll_id::text, 'options', b.options,
      'visitor', case when p.voters_shown then b.visitor_id::text end,
      'state', (array['counted', 'held', 'struck'])[b.state],
      'created', to_char(b.created_at at time zone 'utc', {_TIME}),
      'modified', to_char(b.modified_at at time zone 'utc', {_TIME}),
      'secret', concat(b.voter, E'\\n', b.visitor_id, E'\\n', b.origin))::text
    from ballot b join poll p on p.site_id = $1 and p.id = b.poll_id where b.site_id = $1
      and (b.poll_id, b.voter) > (split_part($2, ' ', 1)::bigint, substr($2, strpos($2, ' ') + 1))
    order by b.poll_id, b.voter limit $3
    """,
    ("int", "text", "int"),
)


def write_jsonl(database: Database, site: Site, base: str = "") -> AsyncIterator[bytes]:
    """All polls, then all ballots. Pictures that were uploaded have whole addresses, and their id beside them."""

    def changed(key: LineKey, line: bytes) -> bytes:
        one = msgspec.json.decode(line)
        if one["type"] == "ballot":
            one["voter"] = key.seal(one["poll"], one.pop("secret"))
        for option in one.get("options", ()) if one["type"] == "poll" else ():
            if option["image"].startswith("/media/"):
                option |= {"image": base + option["image"], "picture": option["image"].split("/")[2]}
        return msgspec.json.encode(one)

    return export_lines(database, site, "polls", ((SELECT_POLLS, "0"), (SELECT_BALLOTS, "0 ")), changed)


EXPORTS = (
    Export(name="jsonl", title="JSON lines (complete)", ending=".jsonl", media="text/plain", write=write_jsonl),
)
