"""What chat asks of the database, each in one statement."""

from __future__ import annotations

from cackled.database.query import Query

_ONE = ("int", "bigint")
_DEPARTMENT_VERSION = "content_version(row(x.name, x.hours, x.skills)::text)"
START_CHAT = Query(
    "start_chat", "select chat, channel, seq, state, place from start_chat($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    ("int", "bigint", "bigint", "bigint", "text", "inet", "boolean", "text", "text", "text"),
)  # fmt: skip
SELECT_CHAT = Query(
    "select_chat",
    """
    select chat_json(c), h.seq, c.channel_id, c.visitor_id, c.name, c.state, c.assignee, c.tokens, c.person
    from chat c join channel h on h.site_id = c.site_id and h.id = c.channel_id
    where c.site_id = $1 and c.id = $2
    """,
    _ONE,
)
SELECT_MESSAGES = Query(
    "select_messages",
    """
    select x.message, h.seq from chat c join channel h on h.site_id = c.site_id and h.id = c.channel_id
    left join lateral (
      select message_json(m) as message, m.seq, m.id from chat_message m
      where m.site_id = c.site_id and m.chat_id = c.id and m.seq > $3 and ($4 = 0 or m.seq < $4)
        and ($6 or m.kind <> 'note')
      order by case when $3 > 0 then m.seq end, case when $3 > 0 then m.id end, m.seq desc, m.id desc limit $5
    ) x on true
    where c.site_id = $1 and c.id = $2 order by x.seq, x.id
    """,
    ("int", "bigint", "bigint", "bigint", "int", "boolean"),
)
SAY = Query(
    "say_in_chat",
    "select message, seq, old from say_in_chat($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    (
        "int", "bigint", "text", "bigint", "bigint", "text", "inet", "text", "text", "text", "bigint", "boolean",
        "text", "text[]",
    ),
)  # fmt: skip
# Several at once, each with its own result or refusal.
SAY_SEVERAL = Query(
    "say_in_chats",
    "select message, seq, old, refused from "
    "say_in_chats($1, $3, $4, $5, $6, $7, $8::inet[], $9, $10, $11, $12, $2)",
    (
        "int", "boolean", "bigint[]", "int[]", "text[]", "bigint[]", "text[]", "text[]", "text[]", "text[]", "text[]",
        "bigint[]",
    ),
)  # fmt: skip
# The same, with what the operator wrote before it was translated ($17, in the language $16, for a message in $15):
# whoever hears of the message finds that. Not where the message says something else by now.
SAY_TRANSLATED = Query(
    "say_in_chat_translated",
    """
    with said as materialized (
      select message, seq, old from say_in_chat($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
    ), kept as (
      insert into chat_translation (site_id, message_id, language, source, text, written)
      select $1, (message::json ->> 'id')::bigint, $16, $15, $17, true from said where message::json ->> 'text' = $9
      on conflict do nothing
    )
    select message, seq, old from said
    """,
    (*SAY.types, "text", "text", "text"),
)
SELECT_SAID = Query(
    "select_said",
    "select 1 from chat_message where site_id = $1 and chat_id = $2 and sender = $3 and key = $4 and key <> ''",
    ("int", "bigint", "text", "text"),
)
CHANGE_MESSAGE = Query(
    "change_message", "select message, seq from change_message($1, $2, $3, $4, $5, $6, $7, $8)",
    ("int", "bigint", "bigint", "bigint", "bigint", "text", "text", "int"),
)  # fmt: skip
READ_CHAT = Query("read_chat", "select read_chat($1, $2, $3, $4)", ("int", "bigint", "text", "bigint"))
CLOSE_CHAT = Query("close_chat", "select close_chat($1, $2, $3, $4, $5)", ("int", "bigint", "text", "text", "text"))
RATE_CHAT = Query("rate_chat", "select rate_chat($1, $2, $3, $4)", ("int", "bigint", "int", "text"))
VISIT_CHAT = Query(
    "visit_chat", "select visit_chat($1, $2, $3, $4, $5)", ("int", "bigint", "text", "text", "text[]")
)
SELECT_STATUS = Query(
    "select_chat_status",
    f"""
    select chat_status($1), coalesce((
      select json_agg(json_build_object(
        'id', x.id::text, 'name', x.name, 'hours', x.hours, 'skills', x.skills, 'version', {_DEPARTMENT_VERSION},
        'state', (
        select coalesce(max(case d.state when 'online' then 2 else 1 end), 0) from chat_desk d
        where d.site_id = $1 and d.seen_at > now() - interval '60 seconds' and d.state <> 'invisible'
          and (d.departments = '{{}}' or x.id = any(d.departments)) and x.skills <@ d.skills)) order by x.name, x.id)
      from chat_department x where x.site_id = $1), '[]')::text,
      (select count(*) from chat c where c.site_id = $1 and c.created_at > now() - interval '1 minute'),
      coalesce((select h.seq from channel h where h.site_id = $1 and h.id = $2), 0)
    """,
    _ONE,
)
SELECT_SEQ = Query("select_chat_seq", "select seq from channel where site_id = $1 and id = $2", _ONE)
TELL_STATUS = Query("tell_chat_status", "select tell_status($1, $2, true)", _ONE)

IDENTIFY_CHAT = Query(
    "identify_chat", "select identify_chat($1, $2, $3, $4, $5, $6)", ("int", "bigint", "bigint", "text", "text", "text")
)
END_CHAT = Query("end_chat", "select end_chat($1, $2, $3)", ("int", "bigint", "bigint"))
ASK_TRANSCRIPT = Query("ask_transcript", "select ask_transcript($1, $2, $3)", ("int", "bigint", "text"))
USE_RESUME_LINK = Query(
    "use_resume_link",
    """
    with there as materialized (
      select c.id from chat c where c.site_id = $1 and c.id = $4 and c.tokens = $5
    )
    insert into used_link (site_id, id, expires_at) select $1, $2, to_timestamp($3) from there
    on conflict do nothing returning 1
    """,
    ("int", "bigint", "float8", "bigint", "int"),
)
SELECT_NEWEST_CHAT = Query(
    "select_newest_chat",
    """
    select c.id from chat c where c.site_id = $1 and c.visitor_id = $2 and c.state not in ('closed', 'spam')
    order by c.created_at desc limit 1
    """,
    _ONE,
)

# Operators.
_FOUND = """
    and ($3 = '' or c.name ilike $3 or c.mail ilike $3 or exists (
      select from chat_message m where m.site_id = c.site_id and m.chat_id = c.id and m.text ilike $3))
    and ($6 = 0 or c.department_id = $6) and ($7 = '' or $7 = any(c.labels))
"""
LIST_WAITING = Query(
    "list_waiting_chats",
    f"""
    select chat_row(c, true), extract(epoch from c.waiting_since)::text, c.id from chat c
    where c.site_id = $1 and c.state = 'waiting' {_FOUND}
      and ($4 = 0 or (extract(epoch from c.waiting_since), c.id) > ($4, $5))
    order by c.waiting_since, c.id limit $2
    """,
    ("int", "int", "text", "numeric", "bigint", "bigint", "text"),
)
LIST_CHATS = Query(
    "list_chats",
    f"""
    select chat_row(c, true), extract(epoch from c.modified_at)::text, c.id from chat c
    where c.site_id = $1 {_FOUND}
      and case $8 when 'all' then c.state <> 'spam'
          when 'mine' then (c.assignee = $9 or $9 = any(c.guests)) and c.state in ('open', 'snoozed')
          else c.state = $8 end
      and ($4 = 0 or (extract(epoch from c.modified_at), c.id) < ($4, $5))
    order by c.modified_at desc, c.id desc limit $2
    """,
    ("int", "int", "text", "numeric", "bigint", "bigint", "text", "text", "bigint"),
)
COUNT_CHATS = Query(
    "count_chats",
    """
    select count(*) filter (where c.state = 'waiting'),
      count(*) filter (where c.state = 'open' and (c.assignee = $2 or $2 = any(c.guests))),
      count(*) filter (where c.state = 'open')
    from chat c where c.site_id = $1 and c.state in ('waiting', 'open')
    """,
    _ONE,
)
SELECT_CARD = Query(
    "select_chat_card",
    """
    select json_build_object(
      'trail', c.trail::json, 'page', c.trail::json -> -1, 'quality', chat_quality(c),
      'referrer', c.referrer, 'agent', c.agent, 'language', c.language, 'mail', c.mail,
      'address', case when $3 then host(c.address) else '' end, 'fields', c.fields::json,
      'attributes', c.attributes::json, 'tags', c.tags,
      'labels', c.labels, 'consent', c.consent, 'visitor', c.visitor_id::text,
      'verified', c.person <> '', 'person', c.person, 'skills', c.skills, 'country', c.country, 'chats', (
        select count(*) from chat x where x.site_id = c.site_id and x.visitor_id = c.visitor_id and x.id <> c.id),
      'past', coalesce((select json_agg(json_build_object('id', y.id::text, 'state', y.state, 'created',
                                                          chat_time(y.created_at)) order by y.created_at desc)
        from (select * from chat x where x.site_id = c.site_id and x.visitor_id = c.visitor_id and x.id <> c.id
              order by x.created_at desc limit 10) y), '[]'),
      'notes', (
        select count(*) from chat_message m where m.site_id = c.site_id and m.chat_id = c.id and m.kind = 'note')
    )::text, chat_viewers(c.site_id, c.id), chat_row(c, true)
    from chat c where c.site_id = $1 and c.id = $2
    """,
    ("int", "bigint", "boolean"),
)
# Its visitor, and whether they want nobody to be shown what they wrote.
SELECT_WHOSE = Query(
    "select_chat_visitor",
    """
    select c.visitor_id, exists (
      select from person p where p.site_id = c.site_id and p.visitor_id = c.visitor_id and p.private)
    from chat c where c.site_id = $1 and c.id = $2
    """,
    _ONE,
)
TAKE_CHAT = Query("take_chat", "select take_chat($1, $2, $3, $4)", ("int", "bigint", "bigint", "boolean"))
HAND_OVER_CHAT = Query(
    "hand_over_chat", "select hand_over_chat($1, $2, $3, $4, $5)", ("int", "bigint", "bigint", "bigint", "text")
)
INVITE_TO_CHAT = Query("invite_to_chat", "select invite_to_chat($1, $2, $3)", ("int", "bigint", "bigint"))
LEAVE_CHAT = Query("leave_chat", "select leave_chat($1, $2, $3)", ("int", "bigint", "bigint"))
SELECT_BLOCKABLE = Query(
    "select_blockable",
    "select visitor_id::text, coalesce(host(address), ''), mail from chat where site_id = $1 and id = $2", _ONE,
)  # fmt: skip
REOPEN_CHAT = Query("reopen_chat", "select reopen_chat($1, $2)", _ONE)
SNOOZE_CHAT = Query(
    "snooze_chat", "select snooze_chat($1, $2, now() + make_interval(secs => $3))", ("int", "bigint", "int")
)
LABEL_CHAT = Query("label_chat", "select label_chat($1, $2, $3)", ("int", "bigint", "text[]"))
NOTE_IN_CHAT = Query(
    "note_in_chat", "select message, seq from note_in_chat($1, $2, $3, $4, $5)",
    ("int", "bigint", "bigint", "text", "text"),
)  # fmt: skip
BEAT_DESK = Query(
    "beat_desk",
    """
    select b.state, coalesce(r.seq, 0), coalesce(r.id, 0)
    from beat_desk($1, $2, $3, $4, $5, $6, $7) b (state) left join lateral (
      select h.seq, h.id from staff_section_channel x join channel h on h.site_id = x.site_id and h.id = x.channel_id
      where x.site_id = $1 and x.sections = array[chr(1) || 'chat']) r on true
    """,
    ("int", "bigint", "text", "bigint", "text", "bigint", "text"),
)
SET_DESK = Query(
    "set_desk", "select set_desk($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    ("int", "bigint", "text", "text", "int", "bigint[]", "text[]", "text[]", "bigint"),
)  # fmt: skip
SELECT_DESKS = Query(
    "select_desks",
    """
    select desk_json(d) from chat_desk d
    where d.site_id = $1 and (d.account_id = $2 or d.seen_at > now() - interval '1 day')
    order by d.account_id <> $2, d.name, d.account_id limit 500
    """,
    _ONE,
)
ROUTE_CHAT = Query("route_chat", "select chat, account, channel, seq from route_chat($1)", ("int",))
ADD_DEPARTMENT = Query(
    "add_department",
    f"""
    insert into chat_department as x (site_id, name, hours, skills)
    select $1, $2, $3, $4 where (select count(*) from chat_department d where d.site_id = $1) < 200
    returning id, {_DEPARTMENT_VERSION}
    """,
    ("int", "text", "text", "text[]"),
)
RENAME_DEPARTMENT = Query(
    "rename_department",
    f"""
    update chat_department x set name = $3, hours = coalesce($4, x.hours), skills = coalesce($5, x.skills)
    where site_id = $1 and id = $2 and {_DEPARTMENT_VERSION} = $6
    returning id, name, hours, skills, {_DEPARTMENT_VERSION}
    """,
    ("int", "bigint", "text", "text", "text[]", "bigint"),
)
REMOVE_DEPARTMENT = Query(
    "remove_department", "delete from chat_department where site_id = $1 and id = $2 returning id", _ONE
)
OPERATORS_CHANNEL = Query(
    "operators_channel",
    """
    select c.id, x.seq from staff_channel($1, $2, array[chr(1) || 'chat']) c (id), channel x
    where x.site_id = $1 and x.id = c.id
    """,
    _ONE,
)

# A picture or file: of a message of the conversation, or one of the caller's own that is with nothing yet.
SELECT_FILE = Query(
    "select_chat_file",
    """
    select m.id, m.width, m.height, m.color, m.alt, m.files from media m where m.site_id = $1 and m.id = $3 and (
      (m.item = '' and (m.visitor_id = $4 or m.account_id = $5))
      or exists (select from chat_message x where x.site_id = $1 and x.chat_id = $2 and m.item = 'chat:' || x.id))
    """,
    ("int", "bigint", "text", "bigint", "bigint"),
)
