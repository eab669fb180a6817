-- Who follows what, from our own export.
-- cackled: revision 1

-- Write a batch of a run, as `cackled.products.comments.importing.follows` makes it. Who follows something here already
-- stays as they are, who was forgotten stays so, and no mail goes to an address that stopped it. Gives how many were added.
create or replace function import_follows(p_site int, p_run bigint, p_source text, p_items text)
returns table (added int, present int) language plpgsql as $$
declare
  ids bigint[];
  x record;
begin
  perform erase_alone(p_site);
  with made as (
    insert into follower (site_id, visitor_id, channel_id, email, email_state, language, digest, replies, zone, quiet_from,
      quiet_to, created_at)
    select p_site, g.v, g.listens, case when not s.stopped then g.email else '' end,
      case when s.stopped and g.email <> '' then 'none' else g.state end, g.language, g.digest, g.replies,
      coalesce((select z.name from pg_timezone_names z where z.name = g.zone limit 1), 'UTC'),
      (g.quiet ->> 0)::int, (g.quiet ->> 1)::int, to_timestamp(g.t)
    from json_to_recordset(p_items::json) g (v bigint, t float8, listens bigint, email text, state text, language text,
      digest text, replies boolean, zone text, quiet json)
    cross join lateral (select exists (
      select from mail_stop m where m.site_id = p_site and m.hash = sha256(convert_to(lower(g.email), 'UTF8'))
    ) as stopped) s
    where not exists (select from erasure e where e.site_id = p_site and e.visitor_id = g.v)
    order by g.v on conflict do nothing returning visitor_id
  )
  select array_agg(m.visitor_id) into ids from made m;
  insert into channel (site_id, id, product, key)
  select p_site, f.channel_id, 'reader', 'reader:' || f.channel_id from follower f
  where f.site_id = p_site and f.visitor_id = any(ids) on conflict do nothing;
  insert into import_item (site_id, product, source, external_id, item_id, channel_id, run_id)
  select p_site, 'follows', p_source, g.id, g.v, g.c, p_run
  from json_to_recordset(p_items::json) g (id text, v bigint, c bigint) where g.v = any(ids)
  on conflict (external_id, source, product, site_id) do update set run_id = p_run;
  insert into channel (site_id, id, product, key, url)
  select distinct on (w.target) p_site, w.target, 'comments', w.key, coalesce(w.url, '')
  from json_to_recordset(p_items::json) g (v bigint, follows json)
  cross join json_to_recordset(g.follows) w (kind int, target bigint, key text, url text)
  where g.v = any(ids) and w.kind = 1 order by w.target on conflict do nothing;
  insert into follow (site_id, visitor_id, kind, target, created_at)
  select p_site, g.v, w.kind, w.target, coalesce(to_timestamp(w.t), to_timestamp(g.t))
  from json_to_recordset(p_items::json) g (v bigint, t float8, follows json)
  cross join json_to_recordset(g.follows) w (kind int, target bigint, t float8)
  where g.v = any(ids) and not exists (
    select from erasure e where e.site_id = p_site and w.kind = 2 and e.visitor_id = w.target)
  on conflict do nothing;
  added := coalesce(cardinality(ids), 0);
  select count(*)::int - added into present from json_to_recordset(p_items::json) g (id text);
  for x in select g.c, g.d, g.n from json_to_recordset(p_items::json) g (c bigint, d int, n bigint)
      order by g.c desc, g.d desc, g.n desc limit 1 loop
    perform import_reached(p_site, p_run, added, present, x.c, x.d, x.n);
  end loop;
  return next;
end
$$;

-- Take about p_most followers of a run back; whether there are more. What they chose to follow since stays, and they with
-- it.
create or replace function undo_import_of_follows(p_site int, p_run bigint, p_most int) returns boolean
language plpgsql as $$
declare
  ids bigint[];
begin
  perform erase_alone(p_site);
  select array_agg(i.item_id) into ids from (
    select y.item_id from import_item y where y.site_id = p_site and y.run_id = p_run and y.product = 'follows'
    order by y.item_id limit p_most) i;
  delete from follow w using import_run r
  where w.site_id = p_site and w.visitor_id = any(ids) and r.site_id = p_site and r.id = p_run
    and w.created_at <= r.created_at;
  delete from follower f where f.site_id = p_site and f.visitor_id = any(ids) and not exists (
    select from follow w where w.site_id = p_site and w.visitor_id = f.visitor_id);
  delete from import_item i where i.site_id = p_site and i.product = 'follows' and i.item_id = any(ids);
  return coalesce(cardinality(ids), 0) >= p_most;
end
$$;
