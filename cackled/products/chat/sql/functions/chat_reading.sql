-- What visitors and operators see of conversations.
-- cackled: revision 6

create or replace function chat_time(p timestamptz) returns text language sql immutable parallel safe as $$
  select to_char(p at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

-- The address of an operator's picture, '' where they have none.
create or replace function desk_avatar(d chat_desk) returns text language sql immutable parallel safe as $$
  select case when d.picture <> '' then '/avatar/staff/' || d.picture else '' end
$$;

-- A message as JSON: what everybody in the conversation sees.
create or replace function message_json(m chat_message) returns text language sql stable as $$
  select concat(
    '{"id":"', m.id, '","author":{"id":"', coalesce(m.visitor_id::text, 'account:' || m.account_id, ''), '","name":',
    to_json(m.author_name), case when m.account_id is not null then (
      select ',"avatar":"' || desk_avatar(d) || '"' from chat_desk d
      where d.site_id = m.site_id and d.account_id = m.account_id and d.picture <> '') end,
    '},"seq":', m.seq, ',"from":"', m.sender, '","kind":"', m.kind, '","text":',
    to_json(m.text), ',"html":', to_json(m.html), ',"files":', sign_media(m.files), ',"created":"', chat_time(m.created_at), '","edited":',
    coalesce('"' || chat_time(m.edited_at) || '"', 'null'), ',"deleted":', m.deleted::text, ',"key":', to_json(m.key),
    case when m.event <> '' then ',"event":' || m.event end,
    case when m.quick <> '{}' then ',"quick":' || to_json(m.quick)::text end, '}')
$$;

-- How many wait before a conversation, and itself; null where it does not wait.
create or replace function chat_place(c chat) returns int language sql stable as $$
  select case when c.state = 'waiting' then (
    select count(*)::int from chat x where x.site_id = c.site_id and x.state = 'waiting'
      and (x.waiting_since, x.id) <= (c.waiting_since, c.id) and x.department_id is not distinct from c.department_id
  ) end
$$;

-- Seconds until somebody has a conversation that waits: its place, times how long operators had the last ones that were
-- closed within two days, shared by the operators who are online. Null: nothing is known yet, or nobody is there.
create or replace function chat_wait(c chat) returns int language sql stable as $$
  select case when c.state = 'waiting' then (
    select round(chat_place(c) * x.seconds / nullif(y.rooms, 0))::int
    from (
      select avg(extract(epoch from z.closed_at - z.accepted_at)) as seconds, count(*) as n
      from (
        select b.closed_at, b.accepted_at from chat b where b.site_id = c.site_id and b.state = 'closed'
          and b.accepted_at is not null and b.closed_at > now() - interval '2 days'
        order by b.modified_at desc limit 30) z
    ) x, (
      select coalesce(sum(d.capacity), 0) as rooms from chat_desk d
      where d.site_id = c.site_id and d.state = 'online' and d.seen_at > now() - interval '60 seconds'
        and (c.department_id is null or d.departments = '{}' or c.department_id = any(d.departments))
    ) y where x.n >= 3
  ) end
$$;

-- A conversation as its visitor sees it; p_staff: as operators do. What is only offered to an operator still waits, for
-- its visitor.
create or replace function chat_json(c chat, p_staff boolean) returns text language sql stable as $$
  select concat(
    '{"id":"', c.id, '","state":"', case
      when c.state = 'spam' then 'closed'
      when not p_staff and c.state = 'open' and c.offered_at is not null and not c.bot then 'waiting'
      when c.state = 'snoozed' then 'open' else c.state end,
    '","operator":', coalesce((
      select concat('{"id":"account:', d.account_id, '","name":', to_json(d.name), ',"avatar":"', desk_avatar(d), '"}')
      from chat_desk d where d.site_id = c.site_id and d.account_id = c.assignee
        and (p_staff or c.offered_at is null)), 'null'),
    ',"position":', coalesce(chat_place(c)::text, 'null'), ',"wait":', coalesce(chat_wait(c)::text, 'null'), ',"read":{"visitor":', c.seen_visitor,
    ',"operator":', c.seen_operator, '},"rating":',
    case when c.score is null then 'null' else concat('{"score":', c.score, ',"text":', to_json(c.opinion), '}') end,
    ',"created":"', chat_time(c.created_at), '","closed":', coalesce('"' || chat_time(c.closed_at) || '"', 'null'),
    ',"closed_by":', coalesce(to_json(nullif(c.closed_by, ''))::text, 'null'), '}')
$$;

create or replace function chat_json(c chat) returns text language sql stable as $$
  select chat_json(c, false)
$$;

-- Whether an operator has a conversation who did nothing with it yet. A bot's time to answer is counted in the same place.
create or replace function is_offered(c chat) returns boolean language sql immutable parallel safe as $$
  select c.offered_at is not null and not c.bot
$$;

-- A conversation in the operators' list. p_words: with the newest message, which the live channel leaves out. told: where
-- the conversation's own channel stood, so that who listens there from it on misses nothing.
create or replace function chat_row(c chat, p_words boolean) returns text language sql stable as $$
  select concat(
    left(chat_json(c, true), -1), ',"seq":', greatest(c.said_visitor, c.said_operator), ',"visitor":{"id":"', c.visitor_id,
    '","name":', to_json(c.name), ',"verified":', (c.person <> '')::text, ',"country":',
    coalesce(to_json(nullif(c.country, ''))::text, 'null'),
    ',"language":', to_json(c.language),
    '},"department":', coalesce('"' || c.department_id || '"', 'null'), ',"labels":', to_json(c.labels),
    ',"status":"', c.state, '","version":', c.version, ',"channel":"', c.channel_id, '","told":', (
      select h.seq from channel h where h.site_id = c.site_id and h.id = c.channel_id), ',"unread":', (
      select count(*) from chat_message m where m.site_id = c.site_id and m.chat_id = c.id and m.seq > c.seen_operator
        and m.sender = 'visitor'),
    ',"offered":', is_offered(c)::text, ',"waiting_since":', coalesce('"' || chat_time(c.waiting_since) || '"', 'null'),
    ',"assignee":', coalesce((
      select concat('{"id":"account:', d.account_id, '","name":', to_json(d.name), '}')
      from chat_desk d where d.site_id = c.site_id and d.account_id = c.assignee), 'null'),
    ',"guests":', coalesce((
      select json_agg(json_build_object('id', 'account:' || d.account_id, 'name', d.name) order by d.account_id)
      from chat_desk d where d.site_id = c.site_id and d.account_id = any(c.guests))::text, '[]'),
    case when p_words then concat(',"last":', coalesce((
      select concat('{"from":"', m.sender, '","text":', to_json(left(m.text, 200)), ',"created":"',
                    chat_time(m.created_at), '"}')
      from chat_message m where m.site_id = c.site_id and m.chat_id = c.id and m.kind = 'text' and not m.deleted
      order by m.seq desc, m.id desc limit 1), 'null')) end, '}')
$$;
