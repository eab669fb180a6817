-- Partitions of the event log, one a day.
-- cackled: revision 1

-- Make partitions ahead; rows that find none go to event_rest. The clock can be given, so that weeks can be tried in a
-- moment.
create or replace function event_partitions(p_days int, p_now timestamptz default now()) returns int
language plpgsql security definer set search_path = public set lock_timeout = '1s' as $$
declare
  made int := 0;
  d date;
  t text;
begin
  for i in 0 .. p_days loop
    d := p_now::date + i;
    t := 'event_' || to_char(d, 'YYYYMMDD');
    if to_regclass(t) is null and not exists (select from event_rest where created_at >= d and created_at < d + 1) then
      execute format('create table %I partition of event for values from (%L) to (%L)', t, d, d + 1);
      made := made + 1;
    end if;
  end loop;
  return made;
end
$$;

-- Drop what is older than p_keep. A partition in use is dropped the next time, as everybody who writes would wait behind
-- us.
create or replace function event_expire(p_keep interval, p_now timestamptz default now()) returns int
language plpgsql security definer set search_path = public set lock_timeout = '1s' as $$
declare
  gone int := 0;
  t text;
begin
  for t in select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
           where i.inhparent = 'event'::regclass and c.relname ~ '^event_[0-9]{8}$'
             and to_date(substr(c.relname, 7), 'YYYYMMDD') + 1 < p_now - p_keep loop
    execute format('drop table %I', t);
    gone := gone + 1;
  end loop;
  delete from event_rest where created_at < p_now - p_keep;
  return gone;
end
$$;

revoke execute on function event_partitions(int, timestamptz), event_expire(interval, timestamptz) from public;
grant execute on function event_partitions(int, timestamptz), event_expire(interval, timestamptz) to cackled_system;
