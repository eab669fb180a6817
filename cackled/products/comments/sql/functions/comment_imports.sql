-- Comments that come from other systems: written in batches, told of page by page, taken back as a whole.
-- cackled: revision 8

-- A number that nobody has: the next odd one above p_number where that is taken.
create or replace function import_comment_number(p_site int, p_number bigint) returns bigint language plpgsql as $$
declare
  n bigint := p_number;
begin
  while exists (select from comment c where c.site_id = p_site and c.id = n)
      or exists (select from import_item i where i.site_id = p_site and i.product = 'comments' and i.item_id = n) loop
    n := (n + 1) | 1;
  end loop;
  return n;
end
$$;

-- The pictures of a comment of our own export, as it keeps them: those that are here, the author's, and with nothing else.
-- One that is gone is made again of another with the same contents. '' where there is none.
create or replace function imported_pictures(p_site int, p_comment bigint, p_visitor bigint, p_media json) returns text
language plpgsql as $$
declare
  e json;
  number text;
  kept text[] := '{}';
begin
  for e in select x from json_array_elements(p_media) x loop
    continue when not starts_with(e -> 'kept' ->> 'id', p_site || '-');
    number := substr(e -> 'kept' ->> 'id', strpos(e -> 'kept' ->> 'id', '-') + 1);
    if not exists (select from media m where m.site_id = p_site and m.id = number) then
      -- As drop_media: what is copied can't be the last of its contents that goes.
      perform from media_site s where s.site_id = p_site for no key update;
      insert into media (site_id, id, hash, visitor_id, width, height, frames, color, alt, files, bytes)
      select p_site, number, m.hash, p_visitor, m.width, m.height, m.frames, m.color, e -> 'kept' ->> 'alt',
        m.files, m.bytes
      from media m where m.site_id = p_site and m.hash = decode(e ->> 'hash', 'hex') limit 1
      on conflict do nothing;
    end if;
    if exists (
      select from media m where m.site_id = p_site and m.id = number and m.visitor_id = p_visitor
        and m.item in ('', 'comment:' || p_comment) for update
    ) then
      kept := kept || (e -> 'kept')::text;
    end if;
  end loop;
  return case when kept = '{}' then '' else '[' || array_to_string(kept, ',') || ']' end;
end
$$;

-- Write a batch of a run: pages and comments as `cackled.products.comments.importing.writer` makes them, parents first.
-- What was imported before stays as it is. Who was forgotten stays so: what they wrote comes as a stone. Nothing is told
-- of: `settle_comments` does that. Gives how many were added, and how many were there.
create or replace function import_comments(
  p_site int, p_run bigint, p_source text, p_avatars boolean, p_pages text, p_items text
) returns table (added int, present int) language plpgsql
-- Plans that were made while tables were small are no good when they have grown: they are made anew each time.
set plan_cache_mode = force_custom_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  ids bigint[];
  x record;
begin
  perform erase_alone(p_site);
  insert into channel (site_id, id, product, key, url, title, locked)
  select p_site, g.channel, 'comments', g.key, g.url, g.title, g.closed
  from json_to_recordset(p_pages::json) g (channel bigint, key text, url text, title text, closed boolean)
  order by g.channel on conflict do nothing;
  perform from channel h where h.site_id = p_site and h.id in (
    select g.channel from json_to_recordset(p_pages::json) g (channel bigint)
  ) order by h.id for no key update;
  insert into comment_channel (site_id, channel_id)
  select p_site, g.channel from json_to_recordset(p_pages::json) g (channel bigint) order by 1, 2
  on conflict do nothing;
  perform import_authors(p_site, p_run, p_source, (
    select coalesce(json_agg(json_build_object('author', g.a, 'visitor', g.v, 'name', g.name, 'email', g.email,
      'url', g.url, 'avatar', case when p_avatars then g.avatar else '' end)), '[]')
    from json_to_recordset(p_items::json) g (a text, v bigint, name text, email text, url text, avatar text)
    where g.a <> ''));
  -- Looked up one by one: joined, such a table is read whole as long as nothing is known of what it holds.
  with made as (
    insert into import_item (site_id, product, source, external_id, item_id, channel_id, run_id)
    select p_site, 'comments', p_source, g.id, case
        when (select true from comment c where c.id = g.n and c.site_id = p_site)
          or (select true from import_item i where i.item_id = g.n and i.site_id = p_site and i.product = 'comments')
        then import_comment_number(p_site, g.n) else g.n end, g.c, p_run
    from json_to_recordset(p_items::json) g (id text, n bigint, c bigint, own boolean)
    where (select i.item_id from import_item i where i.external_id = g.id and i.source = p_source
        and i.product = 'comments' and i.site_id = p_site) is null
      and (not g.own or (select c.id from comment c where c.id = g.n and c.site_id = p_site and c.channel_id = g.c) is null)
    order by g.n
    on conflict (site_id, product, source, external_id) do nothing
    returning item_id
  )
  select array_agg(m.item_id) into ids from made m;
  select count(*) filter (where o.run = p_run), count(*) filter (where o.run is distinct from p_run) into added, present
  from (
    select (select i.run_id from import_item i where i.external_id = g.id and i.source = p_source
      and i.product = 'comments' and i.site_id = p_site) as run
    from json_to_recordset(p_items::json) g (id text) offset 0
  ) o;
  if ids is not null then
    with given as materialized (
      select g.*, (select i.item_id from import_item i where i.external_id = g.id and i.source = p_source
          and i.product = 'comments' and i.site_id = p_site) as item_id,
        coalesce((select a.visitor_id from import_author a where a.author = g.a and a.source = p_source
          and a.site_id = p_site), g.v) as visitor,
        (select i.item_id from import_item i where g.p <> '' and i.external_id = g.p and i.source = p_source
          and i.product = 'comments' and i.site_id = p_site and i.channel_id = g.c) as above,
        (select i.item_id from import_item i where g.p <> '' and i.external_id = g.r and i.source = p_source
          and i.product = 'comments' and i.site_id = p_site and i.channel_id = g.c) as top
      from json_to_recordset(p_items::json) g (
        id text, c bigint, p text, r text, d int, t float8, s boolean, nr int, nt int, v bigint, a text, name text,
        ip inet, src text, html text, status int, up int, down int, edited float8, featured boolean, locked boolean,
        own boolean, media json, bare_src text, bare_html text)
    ), placed as materialized (
      select g.*, (select e.visitor_id from erasure e where e.site_id = p_site and e.visitor_id = g.visitor) is not null
          as gone,
        -- What was written here itself, where our own export comes back.
        (select y from comment y where g.own and g.above is null and y.site_id = p_site and y.channel_id = g.c
          and y.id = case when g.p ~ '^[0-9]{1,18}$' then g.p::bigint end) as own_above,
        (select y from comment y where y.id = g.top and g.top <> g.item_id and y.site_id = p_site) as own_top
      from given g where g.item_id = any(ids)
    ), known as (
      select k.*, coalesce(k.above, (k.own_above).id) as parent,
        coalesce((k.own_top).root_id, k.top, (k.own_above).root_id, k.item_id) as root,
        case when k.above is null and (k.own_above).id is not null then (k.own_above).depth + 1
          else k.d + coalesce((k.own_top).depth, 0) end as deep,
        case when k.media is null or k.gone then '' else imported_pictures(p_site, k.item_id, k.visitor, k.media) end
          as pictures
      from placed k
    )
    insert into comment (id, site_id, channel_id, parent_id, root_id, visitor_id, depth, status, shown, html_ver, up,
      down, n_replies, n_thread, rank, created_at, edited_at, ip, author_name, src, html, featured, locked, seen, media)
    select k.item_id, p_site, k.c, k.parent, case when k.parent is null then k.item_id else k.root end,
      k.visitor, case when k.parent is null then 0 else least(k.deep, 32000) end,
      case when k.gone then 4 else k.status end, k.s and not (k.gone and k.nr = 0), html_version(),
      k.up, k.down, k.nr, case when k.parent is null then k.nt else 0 end, 0, to_timestamp(k.t),
      to_timestamp(k.edited), case when not k.gone then k.ip end, case when k.gone then '' else k.name end,
      case when k.gone then '' when k.src = '' and k.pictures = '' then coalesce(k.bare_src, '') else k.src end,
      case when k.gone then '' when k.src = '' and k.pictures = '' then coalesce(k.bare_html, '') else k.html end,
      k.featured, k.locked, k.status <> 0, k.pictures
    from known k order by k.item_id;
    insert into visitor as w (site_id, id, name, first_ip, last_ip, n_comments, created_at, last_seen)
    select p_site, c.visitor_id, (array_agg(c.author_name order by c.id desc))[1],
      (array_agg(c.ip order by c.id))[1], (array_agg(c.ip order by c.id desc))[1], count(*), min(c.created_at),
      max(c.created_at)
    from comment c where c.site_id = p_site and c.id = any(ids) and c.status <> 4
    group by c.visitor_id order by c.visitor_id
    on conflict (site_id, id) do update set n_comments = w.n_comments + excluded.n_comments,
      created_at = least(w.created_at, excluded.created_at), last_seen = greatest(w.last_seen, excluded.last_seen);
    insert into vote (site_id, channel_id, visitor_id, comment_id, value)
    select p_site, y.c, y.visitor, y.item_id, y.value from (
      select g.c, (v ->> 1)::int as value, (select i.item_id from import_item i where i.external_id = g.id
          and i.source = p_source and i.product = 'comments' and i.site_id = p_site) as item_id,
        coalesce((select a.visitor_id from import_author a where a.author = 'account:' || (v ->> 2)
          and a.source = p_source and a.site_id = p_site), (v ->> 0)::bigint) as visitor
      from json_to_recordset(p_items::json) g (id text, c bigint, votes json)
      cross join json_array_elements(g.votes) v offset 0
    ) y
    where y.item_id = any(ids)
      and (select e.visitor_id from erasure e where e.site_id = p_site and e.visitor_id = y.visitor) is null
    on conflict do nothing;
    -- Their numbers are below those that are looked at in the background.
    insert into comment_search (site_id, comment_id, lexemes)
    select p_site, c.id, comment_lexemes(c) from comment c
    where c.site_id = p_site and c.id = any(ids) and c.src <> ''
    on conflict do nothing;
    if exists (select from import_author a where a.site_id = p_site and a.picture <> '') then
      perform show_author_pictures(p_site, ids);
    end if;
    perform count_imported_states(p_site, ids, 1);
    update comment_channel k set pinned = (
      select array_agg(distinct y.id) from unnest(coalesce(k.pinned, '{}') || p.pins) y (id))
    from (
      select y.c as channel_id, array_agg(y.item_id) as pins from (
        select g.c, (select i.item_id from import_item i where i.external_id = g.id and i.source = p_source
          and i.product = 'comments' and i.site_id = p_site) as item_id
        from json_to_recordset(p_items::json) g (id text, c bigint, pinned boolean) where g.pinned offset 0
      ) y where y.item_id = any(ids) group by y.c
    ) p
    where k.site_id = p_site and k.channel_id = p.channel_id;
  end if;
  if p_avatars or strpos(p_items, '"pictures":[') > 0 then
    perform wish_import_pictures(p_site, p_run, p_source, p_items, p_avatars, 200000);
  end if;
  for x in select g.c, g.d, g.n from json_to_recordset(p_items::json) g (c bigint, d int, n bigint)
      order by g.c desc, g.d desc, g.n desc limit 1 loop
    perform import_reached(p_site, p_run, added, present, x.c, x.d, x.n);
  end loop;
  return next;
end
$$;

-- The statistics of these comments by day and state, and how many wait on each page: p_sign 1 adds them, -1 takes them.
create or replace function count_imported_states(p_site int, p_ids bigint[], p_sign int) returns void
language plpgsql set plan_cache_mode = force_custom_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  x record;
begin
  insert into state_day as d (site_id, day, kind, pending, approved, spam, rejected, deleted)
  select p_site, (c.created_at at time zone 'utc')::date, 'comment', p_sign * count(*) filter (where c.status = 0),
    p_sign * count(*) filter (where c.status = 1), p_sign * count(*) filter (where c.status = 2),
    p_sign * count(*) filter (where c.status = 3), p_sign * count(*) filter (where c.status = 4)
  from comment c where c.site_id = p_site and c.id = any(p_ids) group by 2 order by 2
  on conflict (site_id, day, kind) do update set pending = d.pending + excluded.pending,
    approved = d.approved + excluded.approved, spam = d.spam + excluded.spam,
    rejected = d.rejected + excluded.rejected, deleted = d.deleted + excluded.deleted;
  for x in select c.channel_id, count(*)::int as n from comment c
      where c.site_id = p_site and c.id = any(p_ids) and c.status = 0 group by 1 order by 1 loop
    perform count_comments(p_site, x.channel_id, 0, 0, 0, p_sign * x.n, 0);
  end loop;
end
$$;

-- Put right what is shown on a page, whose row is locked, and what is counted there, and tell it once. Gives its number.
create or replace function settle_channel(p_site int, p_channel bigint) returns bigint language plpgsql
set plan_cache_mode = force_custom_plan set enable_seqscan = off as $$
declare
  visible int;
  roots int;
  newest bigint;
  ids bigint[];
  shown boolean[];
  replies int[];
  threads int[];
begin
  with recursive there as materialized (
    select c.id, c.parent_id, c.root_id, c.status from comment c
    where c.site_id = p_site and c.channel_id = p_channel and c.parent_id is null and c.shown
    union all
    select c.id, c.parent_id, c.root_id, c.status from comment c
    where c.site_id = p_site and c.channel_id = p_channel and c.parent_id is not null and c.shown
  ), seen (id, parent_id, root_id) as (
    select t.id, t.parent_id, t.root_id from there t where t.status = 1
    union
    select above.id, above.parent_id, above.root_id from seen u cross join lateral (
      select c.id, c.parent_id, c.root_id from comment c where c.site_id = p_site and c.id = u.parent_id offset 0) above
  ), wanted as (
    select e.id, u.id is not null as shown, coalesce(r.n, 0)::int as replies,
      case when u.parent_id is null then coalesce(h.n, 0)::int else 0 end as thread
    from (select t.id from there t union select u.id from seen u) e
    left join seen u on u.id = e.id
    left join (select u.parent_id as id, count(*) as n from seen u where u.parent_id is not null group by 1) r
      on r.id = e.id
    left join (select u.root_id as id, count(*) as n from seen u where u.parent_id is not null group by 1) h
      on h.id = e.id
  )
  select array_agg(w.id), array_agg(w.shown), array_agg(w.replies), array_agg(w.thread),
    (select count(*) from there t where t.status = 1), (select count(*) from seen u where u.parent_id is null),
    (select max(t.id) from there t)
  into ids, shown, replies, threads, visible, roots, newest from wanted w;
  perform settle_rows(p_site, ids, shown, replies, threads);
  perform count_comments(p_site, p_channel, 0, visible - h.n_visible, roots - h.n_root, 0, coalesce(newest, 0))
  from channel h where h.site_id = p_site and h.id = p_channel;
  return tell_channel(p_site, p_channel);
end
$$;

create or replace function settle_rows(
  p_site int, p_ids bigint[], p_shown boolean[], p_replies int[], p_threads int[]
) returns void language sql
set plan_cache_mode = force_custom_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
  update comment c set shown = w.shown, n_replies = w.replies, n_thread = w.thread
  from unnest(p_ids, p_shown, p_replies, p_threads) w (id, shown, replies, thread)
  where c.site_id = p_site and c.id = w.id
    and (c.shown <> w.shown or c.n_replies <> w.replies or c.n_thread <> w.thread)
$$;

create or replace function settle_comments(p_site int, p_channels bigint[])
returns table (channel bigint, seq bigint) language plpgsql as $$
begin
  perform erase_alone(p_site);
  for channel in select h.id from channel h where h.site_id = p_site and h.id = any(p_channels)
      order by h.id for no key update loop
    seq := settle_channel(p_site, channel);
    return next;
  end loop;
end
$$;

-- Take about p_most comments of a run back, page by page, the newest first. What somebody answered here stays as a stone.
-- Gives the pages that have none of them left, with their numbers, and a row of nulls as long as there are more.
create or replace function undo_import_of_comments(p_site int, p_run bigint, p_most int)
returns table (channel bigint, seq bigint) language plpgsql
set plan_cache_mode = force_custom_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  ids bigint[];
  channels bigint[];
  kept bigint[];
  before int;
  x record;
begin
  perform erase_alone(p_site);
  select array_agg(i.item_id), array_agg(distinct i.channel_id) into ids, channels from (
    select y.item_id, y.channel_id from import_item y where y.site_id = p_site and y.run_id = p_run
      and y.product = 'comments' order by y.channel_id desc, y.item_id desc limit p_most) i;
  if ids is null then
    return;
  end if;
  perform from channel h where h.site_id = p_site and h.id = any(channels) order by h.id for no key update;
  -- Those with answers that stay, and those above them.
  select array_agg(distinct c.parent_id) into kept from comment c
  where c.site_id = p_site and c.channel_id = any(channels) and c.parent_id = any(ids) and c.parent_id is not null
    and c.shown and c.id <> all(ids);
  kept := coalesce(kept, '{}');
  loop
    before := cardinality(kept);
    select array_agg(distinct y.id) into kept from (
      select k.id from unnest(kept) k (id)
      union
      select c.parent_id from comment c where c.site_id = p_site and c.id = any(kept) and c.parent_id = any(ids)) y;
    kept := coalesce(kept, '{}');
    exit when cardinality(kept) = before;
  end loop;
  perform count_imported_states(p_site, ids, -1);
  update visitor w set n_comments = greatest(0, w.n_comments - v.n)
  from (select c.visitor_id, count(*) as n from comment c where c.site_id = p_site and c.id = any(ids) and c.status <> 4
        group by 1 order by 1) v
  where w.site_id = p_site and w.id = v.visitor_id;
  delete from visitor w where w.site_id = p_site and w.n_comments = 0
    and w.id in (select c.visitor_id from comment c where c.site_id = p_site and c.id = any(ids))
    and not exists (select from person q where q.site_id = p_site and q.visitor_id = w.id);
  update comment_channel k set pinned = nullif(array(select p from unnest(k.pinned) p where p <> all(ids)), '{}')
  where k.site_id = p_site and k.channel_id = any(channels) and k.pinned && ids;
  perform forget_comment_rows(p_site, ids, channels);
  update comment c set status = 4, src = '', html = '', media = '', author_name = '', author_extra = '', ip = null, up = 0, down = 0,
    version = c.version + 1, modified_at = now()
  where c.site_id = p_site and c.id = any(kept);
  perform count_imported_states(p_site, kept, 1);
  delete from comment c where c.site_id = p_site and c.id = any(ids) and c.id <> all(kept);
  delete from import_item i where i.site_id = p_site and i.product = 'comments' and i.item_id = any(ids);
  for x in select h.id from unnest(channels) h (id) where not exists (
      select from import_item i where i.site_id = p_site and i.run_id = p_run and i.channel_id = h.id
        and i.product = 'comments') order by h.id loop
    channel := x.id;
    seq := settle_channel(p_site, x.id);
    return next;
  end loop;
  if cardinality(ids) >= p_most then
    channel := null;
    seq := null;
    return next;
  end if;
end
$$;

-- What other tables have about comments that go, whatever tables there are.
create or replace function forget_comment_rows(p_site int, p_ids bigint[], p_channels bigint[]) returns void
language plpgsql as $$
declare
  t record;
begin
  for t in select c.relname, exists (
        select from pg_attribute b where b.attrelid = c.oid and b.attname = 'channel_id' and not b.attisdropped
      ) as placed
      from pg_class c
      join pg_attribute a on a.attrelid = c.oid and a.attname = 'comment_id' and not a.attisdropped
      join pg_attribute s on s.attrelid = c.oid and s.attname = 'site_id' and not s.attisdropped
      where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
        and c.relname <> 'post_key' order by 1 loop
    execute format('delete from %I where site_id = $1 and comment_id = any($2)'
                   || case when t.placed then ' and channel_id = any($3)' else '' end, t.relname)
    using p_site, p_ids, p_channels;
  end loop;
end
$$;
