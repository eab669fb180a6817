-- What statistics are made of is counted as it happens.
-- cackled: revision 1

-- An item that was written on a day is in another state now; 0 pending, 1 approved, 2 spam, 3 rejected, 4 deleted.
create or replace function count_state(p_site int, p_kind text, p_written timestamptz, p_from int, p_to int)
returns void language sql as $$
  insert into state_day as d (site_id, day, kind, pending, approved, spam, rejected, deleted)
  values (p_site, (p_written at time zone 'utc')::date, p_kind, (p_to = 0)::int - (p_from = 0)::int,
          (p_to = 1)::int - (p_from = 1)::int, (p_to = 2)::int - (p_from = 2)::int, (p_to = 3)::int - (p_from = 3)::int,
          (p_to = 4)::int - (p_from = 4)::int)
  on conflict (site_id, day, kind) do update set pending = d.pending + excluded.pending,
    approved = d.approved + excluded.approved, spam = d.spam + excluded.spam, rejected = d.rejected + excluded.rejected,
    deleted = d.deleted + excluded.deleted
$$;

-- Items written in the last seconds, by day, kind and channel.
create or replace function count_written(
  p_site int, p_days date[], p_kinds text[], p_channels bigint[], p_pending int[], p_approved int[], p_spam int[],
  p_rejected int[]
) returns void language plpgsql as $$
begin
  insert into state_day as d (site_id, day, kind, pending, approved, spam, rejected)
  select p_site, x.day, x.kind, sum(x.pending), sum(x.approved), sum(x.spam), sum(x.rejected)
  from unnest(p_days, p_kinds, p_pending, p_approved, p_spam, p_rejected) x (day, kind, pending, approved, spam, rejected)
  group by x.day, x.kind order by x.day, x.kind
  on conflict (site_id, day, kind) do update set pending = d.pending + excluded.pending,
    approved = d.approved + excluded.approved, spam = d.spam + excluded.spam, rejected = d.rejected + excluded.rejected;
  insert into page_day as d (site_id, day, channel_id, written)
  select p_site, x.day, x.channel, sum(x.pending + x.approved)
  from unnest(p_days, p_channels, p_pending, p_approved) x (day, channel, pending, approved)
  where x.pending + x.approved > 0
  group by x.day, x.channel order by x.day, x.channel
  on conflict (site_id, day, channel_id) do update set written = d.written + excluded.written;
end
$$;

-- A decision. The number of an item says when it was written; p_waited: it was waiting for this.
create or replace function count_decision(p_site int, p_action bigint, p_item text, p_deed text, p_name text, p_waited boolean)
returns void language plpgsql as $$
declare
  moderator text := coalesce((select a.who from moderation_action a where a.site_id = p_site and a.id = p_action), '');
  seconds float8 := greatest(0, extract(epoch from clock_timestamp())
    - ((split_part(p_item, ':', 2)::bigint >> 12) + 1735689600000000) / 1000000.0);
  slot int := case when seconds <= 60 then 1 when seconds <= 600 then 2 when seconds <= 3600 then 3
    when seconds <= 21600 then 4 when seconds <= 86400 then 5 else 6 end;
  slots int[] := '{0,0,0,0,0,0}';
begin
  if p_waited then
    slots[slot] := 1;
  end if;
  insert into moderator_day as d (site_id, day, who, deed, name, decisions, waited, waited_seconds, slots)
  values (p_site, (now() at time zone 'utc')::date, moderator, p_deed, p_name, 1, p_waited::int,
          case when p_waited then seconds else 0 end, slots)
  on conflict (site_id, day, who, deed) do update set name = excluded.name, decisions = d.decisions + 1,
    waited = d.waited + excluded.waited, waited_seconds = d.waited_seconds + excluded.waited_seconds,
    slots = (select array_agg(a + b order by n) from unnest(d.slots, excluded.slots) with ordinality x (a, b, n));
end
$$;
