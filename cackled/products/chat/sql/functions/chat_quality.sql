-- How a conversation went, for whoever looks back at it.
-- cackled: revision 1

-- Seconds of wait (until an operator had it), first_response (from the visitor's first message to an operator's first),
-- reply (the median of all turns), longest (of them) and resolution (until the close); null where there is none. Also how
-- many messages each side wrote, which operators did, and why it was closed. Definitions as in reports.
create or replace function chat_quality(c chat) returns json language sql stable as $$
  with said as (
    select m.sender, m.author_name, m.created_at, m.seq, m.id,
      lag(m.sender) over (order by m.seq, m.id) as before
    from chat_message m
    where m.site_id = c.site_id and m.chat_id = c.id and m.kind = 'text' and m.sender in ('visitor', 'operator')
  ), turns as (
    select t.sender, extract(epoch from lead(t.created_at) over (order by t.seq, t.id) - t.created_at) as seconds
    from said t where t.before is distinct from t.sender
  )
  select json_build_object(
    'wait', round(extract(epoch from c.accepted_at - c.created_at)),
    'first_response', round(extract(epoch from
      (select min(s.created_at) from said s where s.sender = 'operator')
      - (select min(s.created_at) from said s where s.sender = 'visitor'))),
    'reply', (select round(percentile_cont(0.5) within group (order by t.seconds)) from turns t
      where t.sender = 'visitor' and t.seconds is not null),
    'longest', (select round(max(t.seconds)) from turns t where t.sender = 'visitor'),
    'resolution', round(extract(epoch from c.closed_at - c.created_at)),
    'visitor', (select count(*) from said s where s.sender = 'visitor'),
    'operator', (select count(*) from said s where s.sender = 'operator'),
    'operators', coalesce((select json_agg(distinct s.author_name) from said s where s.sender = 'operator'), '[]'),
    'reason', c.reason, 'closed_by', c.closed_by)
$$;
