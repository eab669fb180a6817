"""The reviews of a site as JSON lines, with the owner's answers and who found them helpful; questions as well."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from cackled.database.query import Query
from cackled.database.routing import Database
from cackled.domain.site import Site
from cackled.importing.exports import Export, export_lines

_TIME = "'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'"
SELECT_REVIEWS = Query(
    "export_reviews",
    f"""
    select r.id::text, json_build_object(
      'type', (array['review', 'question', 'answer'])[r.kind + 1], 'id', r.id::text, 'page', h.key, 'url', h.url,
      'title_of_page', h.title, 'parent', r.parent_id::text,
      'author', json_build_object('id', r.visitor_id::text, 'name', r.author_name, 'email', (
          select max(a.email) from import_author a where a.site_id = $1 and a.visitor_id = r.visitor_id)),
      'extra', r.author_extra, 'address', host(r.ip),
      'star', r.star, 'title', r.title, 'pros', r.pros, 'cons', r.cons, 'text', r.src, 'recommend', r.recommend,
      'criteria', r.criteria, 'attributes', r.attributes, 'variant', r.variant, 'media', r.media,
      'experienced', r.experienced, 'verified', r.verified, 'source', r.source, 'source_id', r.source_id,
      'incentivized', r.incentivized, 'staff', r.staff, 'featured', r.featured,
      'state', (array['pending', 'approved', 'spam', 'rejected', 'deleted'])[r.status + 1],
      'created', to_char(r.created_at at time zone 'utc', {_TIME}),
      'edited', to_char(r.edited_at at time zone 'utc', {_TIME}), 'up', r.up, 'down', r.down,
      'reply', (select json_build_object(
          'name', a.name, 'text', a.src, 'who', a.who, 'created', to_char(a.created_at at time zone 'utc', {_TIME}),
          'edited', to_char(a.edited_at at time zone 'utc', {_TIME}))
        from review_reply a where a.site_id = $1 and a.review_id = r.id),
      'reason', r.reason, 'wiped', r.wiped, 'seen', r.seen, 'reported', r.n_flags,
      'votes', (select json_agg(json_build_array(v.visitor_id::text, v.value) order by v.visitor_id)
        from review_vote v where v.site_id = $1 and v.review_id = r.id and v.counted),
      'flags', (select json_agg(json_build_array(f.visitor_id::text, f.reason,
          to_char(f.created_at at time zone 'utc', {_TIME})) order by f.visitor_id)
        from review_flag f where f.site_id = $1 and f.review_id = r.id and f.counted),
      'marks', (select json_agg(json_build_array(m.mark, m.score, m.words) order by m.mark)
        from review_mark m where m.site_id = $1 and m.review_id = r.id),
      'revision', (select json_build_array(v.data, to_char(v.created_at at time zone 'utc', {_TIME}))
        from review_revision v where v.site_id = $1 and v.review_id = r.id),
      'changes', (select json_agg(json_build_array(c.who, c.deed, c.why, c.before, c.after,
          to_char(c.created_at at time zone 'utc', {_TIME})) order by c.id)
        from review_change c where c.site_id = $1 and c.review_id = r.id))::text
    from review r join channel h on h.site_id = $1 and h.id = r.channel_id
    where r.site_id = $1 and r.id > $2::bigint and not r.shadow order by r.id limit $3
    """,
    ("int", "text", "int"),
)


# As the database writes it; what somebody wrote has its quotes escaped.
_PICTURE = b'"url": "/media/'


def write_jsonl(database: Database, site: Site, base: str = "") -> AsyncIterator[bytes]:
    """All reviews, the oldest first. Pictures that were uploaded have whole addresses."""
    whole = _PICTURE.replace(b"/media/", msgspec.json.encode(f"{base}/media/")[1:-1])
    return export_lines(
        database, site, "reviews", ((SELECT_REVIEWS, "0"),), lambda key, line: line.replace(_PICTURE, whole)
    )


EXPORTS = (
    Export(name="jsonl", title="JSON lines (complete)", ending=".jsonl", media="text/plain", write=write_jsonl),
)
