-- What a database needs to be one of several shards.
-- cackled: revision 2

-- A copied event was told where it was written: sweeps of this log pass it by.
create or replace function shard.copied() returns trigger language plpgsql as $$
begin
  new.xid := '3';
  return new;
end
$$;

-- The tables that hold rows of sites, and move with them; reads are charged in the catalog's database.
create or replace function shard.tables() returns setof name language sql stable as $$
  select c.relname from pg_class c
  join pg_attribute a on a.attrelid = c.oid and a.attname = 'site_id' and not a.attisdropped
  where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
    and c.relname <> 'usage_month'
  order by 1
$$;

-- The sequences that number rows of these tables.
create or replace function shard.sequences() returns setof name language sql stable as $$
  select distinct s.relname
  from shard.tables() t
  join pg_depend d on d.refobjid = format('public.%I', t)::regclass and d.refobjsubid > 0
    and d.refclassid = 'pg_class'::regclass and d.classid = 'pg_class'::regclass and d.deptype in ('a', 'i')
  join pg_class s on s.oid = d.objid and s.relkind = 'S'
  order by 1
$$;

-- Make this database shard p_number of several: sites that are not here are neither read nor written (SQLSTATE CKMOV),
-- numbers are handed out that no other shard hands out. May be repeated, and is, after each migration. The policies
-- compare site_id, as that is tried before any row is looked for: a site that left is refused, not found empty.
create or replace function shard.guard(p_number int) returns void language plpgsql as $$
declare
  t name;
begin
  insert into shard.self (number) values (p_number) on conflict do nothing;
  if (select number from shard.self) <> p_number then
    raise exception using errcode = 'CKSHD', message = 'this database is shard ' || (select number from shard.self);
  end if;
  -- Asked for by every table of every statement: the answer holds for the transaction, which is short.
  execute format($f$
    create or replace function shard.readable_site() returns int language plpgsql stable parallel restricted as $b$
    declare
      v text := nullif(current_setting('app.site', true), '');
      s text;
    begin
      if v is null or v = current_setting('app.readable', true) then
        return v::int;
      end if;
      select p.state into s from shard.place p where p.site_id = v::int;
      if coalesce(s, %L) in ('gone', 'arriving') then
        raise exception using errcode = 'CKMOV', message = 'moved';
      end if;
      v := set_config('app.readable', v, true);
      return v::int;
    end
    $b$
  $f$, case when p_number = 0 then 'here' else 'gone' end);
  -- Volatile: it looks with a snapshot of its own, taken when the statement's tables are locked already. So whoever was
  -- let through before a fence was up holds a lock that can be seen until the transaction ends.
  execute format($f$
    create or replace function shard.writable_site() returns int language plpgsql volatile as $b$
    declare
      v text := nullif(current_setting('app.site', true), '');
      s text;
    begin
      if v is null or v = current_setting('app.writable', true) then
        return v::int;
      end if;
      select p.state into s from shard.place p where p.site_id = v::int;
      if coalesce(s, %L) not in ('here', 'leaving') then
        raise exception using errcode = 'CKMOV', message = 'moved';
      end if;
      v := set_config('app.writable', v, true);
      return v::int;
    end
    $b$
  $f$, case when p_number = 0 then 'here' else 'gone' end);
  for t in select x from shard.tables() x loop
    if not exists (select from pg_policies where schemaname = 'public' and tablename = t and policyname = 'shard_read') then
      execute format('create policy shard_read on %I as restrictive for select to cackled_app '
                     'using (site_id = (select shard.readable_site()))', t);
      execute format('create policy shard_insert on %I as restrictive for insert to cackled_app '
                     'with check (site_id = (select shard.writable_site()))', t);
      execute format('create policy shard_update on %I as restrictive for update to cackled_app '
                     'using (site_id = (select shard.writable_site()))', t);
      execute format('create policy shard_delete on %I as restrictive for delete to cackled_app '
                     'using (site_id = (select shard.writable_site()))', t);
    end if;
  end loop;
  if not exists (select from pg_trigger where tgrelid = 'event'::regclass and tgname = 'copied') then
    create trigger copied before insert on event for each row execute function shard.copied();
    alter table event enable replica trigger copied;
  end if;
  -- The low bits of ids that are times, whatever they are ids of.
  if (select min_value from pg_sequences where schemaname = 'public' and sequencename = 'comment_id_low')
      <> p_number * 64 then
    execute format('alter sequence comment_id_low minvalue %s maxvalue %s start %s restart',
                   p_number * 64, p_number * 64 + 63, p_number * 64);
  end if;
  -- The numbers of rows that move.
  for t in select s from shard.sequences() s loop
    if p_number > 0 and (select coalesce(last_value, 0) from pg_sequences
        where schemaname = 'public' and sequencename = t) < p_number::bigint << 48 then
      perform setval(format('public.%I', t), p_number::bigint << 48);
    end if;
  end loop;
end
$$;
