"""What polls ask of the database, each in one statement."""

from __future__ import annotations

from cackled.database.query import Query

_ONE = ("int", "bigint")
SELECT_POLL = Query(
    "select_poll",
    """
    select c.seq, c.id, poll_whole(p) from poll p join channel c on c.site_id = p.site_id and c.id = p.channel_id
    where p.site_id = $1 and p.id = $2
    """,
    _ONE,
)
SELECT_MY_BALLOT = Query(
    "select_my_ballot",
    """
    select poll_me(p, b.options, poll_counts(p.site_id, p.id))
    from poll p left join ballot b on b.site_id = p.site_id and b.poll_id = p.id and b.voter = poll_voter(p, $3)
    where p.site_id = $1 and p.id = $2
    """,
    ("int", "bigint", "bigint"),
)
VOTE_POLL = Query(
    "vote_poll", "select seq, channel, refused, me from vote_poll($1, $2, $3, $4, $5, $6, $7, $8)",
    ("int", "bigint", "bigint[]", "int[]", "text[]", "text[]", "text[]", "boolean"),
)  # fmt: skip
# Ballots that are alike are one row.
SELECT_BALLOTS = Query(
    "select_ballots",
    """
    select options, count(*) from ballot where site_id = $1 and poll_id = $2 and state = 1 group by options
    order by options
    """,
    _ONE,
)
NEXT_POLL = Query("next_poll", "select nextval('poll_id_seq') where $1 > 0", ("int",))
SAVE_POLL = Query(
    "save_poll", "select seq, version from save_poll($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    ("int", "bigint", "bigint", "text", "int", "boolean", "text", "text", "boolean"),
)  # fmt: skip
TELL_POLL = Query("tell_poll", "select seq, channel from tell_poll($1, $2, $3)", ("int", "bigint", "boolean"))
PROPOSE_OPTION = Query(
    "propose_option", "select number, made from propose_option($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    ("int", "bigint", "bigint", "int", "inet", "text", "text", "int", "text"),
)  # fmt: skip
DECIDE_OPTION = Query(
    "decide_option", "select decide_option($1, $2, $3, $4, $5, $6)",
    ("int", "bigint", "int", "boolean", "int", "boolean"),
)  # fmt: skip
DECIDE_BURST = Query(
    "decide_burst", "select seq, ballots from decide_burst($1, $2, $3, $4, $5, $6)",
    ("int", "bigint", "cidr", "timestamptz", "boolean", "boolean"),
)  # fmt: skip
SELECT_POLLS = Query(
    "select_polls",
    """
    select coalesce(json_agg(json_build_object(
      'id', p.id::text, 'kind', p.kind, 'question', p.question, 'state', poll_state(p), 'voters', p.voters,
      'held', (select count(*) from ballot b where b.site_id = $1 and b.poll_id = p.id and b.state = 2),
      'proposals', (select count(*) from poll_option o where o.site_id = $1 and o.poll_id = p.id and o.state = 0),
      'created_at', utc_text(p.created_at)) order by p.id desc), '[]')::text
    from poll p where p.site_id = $1 and p.id in (
      select x.id from poll x where x.site_id = $1 and ($2::bigint is null or x.id < $2) order by x.id desc limit $3)
    """,
    ("int", "bigint", "int"),
)
SELECT_BREAKDOWN = Query(
    "select_poll_breakdown",
    """
    with counted as (
      select b.*, date_trunc('minute', b.created_at) as minute from ballot b where b.site_id = $1 and b.poll_id = $2
    ), suspicious as (
      select c.network, c.minute, count(*) as votes, count(*) filter (where c.state = 2) as held
      from counted c where c.state < 3 and c.network in (select h.network from counted h where h.state = 2)
      group by 1, 2 having count(*) filter (where c.state = 2) > 0 order by 3 desc limit 100
    )
    select json_build_object(
      'days', coalesce((select json_agg(json_build_object('name', d.day, 'votes', d.n) order by d.day) from (
        select to_char(c.created_at at time zone 'UTC', 'YYYY-MM-DD') as day, count(*) as n from counted c
        where c.state = 1 group by 1 order by 1 desc limit 366) d), '[]'),
      'origins', coalesce((select json_agg(json_build_object('name', d.origin, 'votes', d.n) order by d.n desc) from (
        select c.origin, count(*) as n from counted c where c.state = 1 group by 1 order by 2 desc limit 50) d), '[]'),
      'bursts', coalesce((select json_agg(json_build_object(
        'network', s.network::text, 'minute', utc_text(s.minute), 'votes', s.votes, 'held', s.held,
        'options', (select json_agg(json_build_object('id', o.number::text, 'votes', o.n) order by o.n desc) from (
          select x.number, count(*) as n from counted c, unnest(c.options) x (number)
          where c.network = s.network and c.minute = s.minute and c.state < 3 group by 1) o)) order by s.votes desc)
        from suspicious s), '[]'))::text
    """,
    _ONE,
)
SELECT_EXPORT = Query(
    "select_poll_export",
    """
    select utc_text(b.created_at), utc_text(b.modified_at), b.state, b.options, b.origin, b.network::text
    from ballot b where b.site_id = $1 and b.poll_id = $2 order by b.created_at, b.voter offset $3 limit $4
    """,
    ("int", "bigint", "bigint", "int"),
)
SELECT_VOTERS = Query(
    "select_voters",
    """
    select b.visitor_id, s.name,
      case when s.picture <> '' or s.avatar <> '' or (s.gravatar and s.email_verified)
        then concat('/avatar/', $1, '/', b.visitor_id) else '' end
    from ballot b join person s on s.site_id = $1 and s.visitor_id = b.visitor_id
    where b.site_id = $1 and b.poll_id = $2 and b.state = 1 and $3 = any(b.options) and not s.private
      and b.visitor_id > $4
    order by b.visitor_id limit $5
    """,
    ("int", "bigint", "int", "bigint", "int"),
)
