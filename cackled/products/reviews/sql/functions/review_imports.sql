-- Reviews that come from other systems: written in batches, told of page by page, taken back as a whole.
-- cackled: revision 3

-- A number that nobody has: the next odd one above p_number where that is taken.
create or replace function import_review_number(p_site int, p_number bigint) returns bigint language plpgsql as $$
declare
  n bigint := p_number;
begin
  while exists (select from review r where r.site_id = p_site and r.id = n)
      or exists (select from import_item i where i.site_id = p_site and i.product = 'reviews' and i.item_id = n) loop
    n := (n + 1) | 1;
  end loop;
  return n;
end
$$;

-- Write a batch of a run: pages and reviews as `cackled.products.reviews.importing.writer` makes them. What was imported
-- before stays as it is, who was forgotten stays so, and who has reviewed a page already is somebody else in what comes
-- once more. Summaries follow; pages are told by `settle_reviews`. p_photos: photos are fetched, also those of reviews that
-- were there. Gives how many were added, and how many were there.
create or replace function import_reviews(
  p_site int, p_run bigint, p_source text, p_photos boolean, p_pages text, p_items text
) returns table (added int, present int) language plpgsql as $$
declare
  ids bigint[];
  x record;
begin
  perform erase_alone(p_site);
  insert into channel (site_id, id, product, key, url, title)
  select p_site, g.channel, 'reviews', g.key, g.url, g.title
  from json_to_recordset(p_pages::json) g (channel bigint, key text, url text, title text)
  order by g.channel on conflict do nothing;
  perform from channel h where h.site_id = p_site and h.id in (
    select g.channel from json_to_recordset(p_pages::json) g (channel bigint)
  ) order by h.id for no key update;
  perform import_authors(p_site, p_run, p_source, (
    select coalesce(json_agg(json_build_object('author', g.a, 'visitor', g.v, 'name', g.name, 'email', g.email,
      'url', g.url, 'avatar', '')), '[]')
    from json_to_recordset(p_items::json) g (a text, v bigint, name text, email text, url text) where g.a <> ''));
  with made as (
    insert into import_item (site_id, product, source, external_id, item_id, channel_id, run_id)
    select p_site, 'reviews', p_source, g.id, import_review_number(p_site, g.n), g.c, p_run
    from json_to_recordset(p_items::json) g (id text, n bigint, c bigint, given boolean)
    where not exists (select from import_item i where i.site_id = p_site and i.product = 'reviews'
      and i.source = p_source and i.external_id = g.id)
      -- Of our own export: it is here itself.
      and not (g.given and exists (select from review r where r.site_id = p_site and r.id = g.n and r.channel_id = g.c))
    order by g.n
    on conflict do nothing
    returning item_id
  )
  select array_agg(m.item_id) into ids from made m;
  select count(*) filter (where i.run_id = p_run), count(*) filter (where i.run_id is distinct from p_run)
  into added, present
  from json_to_recordset(p_items::json) g (id text)
  left join import_item i on i.site_id = p_site and i.product = 'reviews' and i.source = p_source and i.external_id = g.id;
  if ids is not null then
    with given as materialized (
      select g.*, i.item_id, i.channel_id, coalesce(a.visitor_id, g.v) as visitor
      from json_to_recordset(p_items::json) g (
        id text, t float8, v bigint, w bigint, a text, name text, ip inet, star int, title text, pros text, cons text,
        src text, html text, recommend boolean, criteria jsonb, variant text, media jsonb, verified text, origin text,
        incentivized boolean, status int, up int, down int, own boolean, k int, p text, edited float8, experienced date,
        attributes jsonb, extra text, reason text, staff boolean, featured boolean, wiped boolean, seen boolean,
        reported int)
      join import_item i on i.site_id = p_site and i.product = 'reviews' and i.source = p_source
        and i.external_id = g.id and i.item_id = any(ids)
      left join import_author a on a.site_id = p_site and a.source = p_source and a.author = g.a
    ), known as (
      select g.*, exists (select from erasure e where e.site_id = p_site and e.visitor_id = g.visitor) as gone,
        case when coalesce(g.k, 0) > 0 or g.status = 4 then g.visitor
          when row_number() over (partition by g.channel_id, g.visitor, coalesce(g.k, 0) = 0 and g.status <> 4
            order by g.item_id) > 1 or exists (
          select from review o where o.site_id = p_site and o.channel_id = g.channel_id and o.visitor_id = g.visitor
            and o.kind = 0 and o.status <> 4) then g.w else g.visitor end as whose,
        -- The question that is answered: imported before, with this batch, or here itself.
        case when g.k = 2 then coalesce((
          select i.item_id from import_item i where i.site_id = p_site and i.product = 'reviews' and i.source = p_source
            and i.external_id = g.p and i.channel_id = g.channel_id), (
          select q.id from review q where g.p ~ '^[0-9]{1,18}$' and q.site_id = p_site and q.channel_id = g.channel_id
            and q.kind = 1 and q.id = case when g.p ~ '^[0-9]{1,18}$' then g.p::bigint end)) end as above
      from given g
    )
    insert into review (site_id, id, channel_id, visitor_id, author_name, ip, star, title, pros, cons, src, html,
      recommend, criteria, variant, media, verified, source, source_id, import_id, incentivized, status, seen, up, down,
      rank, created_at, lexemes, kind, parent_id, edited_at, experienced, attributes, author_extra, reason, staff, featured,
      wiped, n_flags)
    select p_site, k.item_id, k.channel_id, k.whose, k.name, k.ip, k.star, k.title, k.pros, k.cons, k.src, k.html,
      k.recommend, k.criteria, k.variant, imported_photos(p_site, k.item_id, k.whose, k.media), k.verified, k.origin, null,
      p_run, k.incentivized, k.status, coalesce(k.seen, k.status <> 0), k.up, k.down, helpful_rank(k.up, k.down),
      to_timestamp(k.t),
      case when k.wiped then '' else
        review_words(p_site, k.channel_id, k.whose, k.ip, k.name, concat_ws(' ', k.title, k.pros, k.cons, k.src)) end,
      coalesce(k.k, 0), k.above, to_timestamp(k.edited), k.experienced, coalesce(k.attributes, '{}'), coalesce(k.extra, ''),
      coalesce(k.reason, ''), coalesce(k.staff, false), coalesce(k.featured, false), coalesce(k.wiped, false),
      coalesce(k.reported, 0)
    from known k where not k.gone and (k.k is distinct from 2 or k.above is not null) order by k.item_id;
    perform import_review_rest(p_site, p_source, ids, p_items);
    insert into review_reply (site_id, review_id, src, html, name, who, created_at, edited_at)
    select p_site, i.item_id, g.reply, g.reply_html, g.reply_name, coalesce(nullif(g.reply_who, ''), 'import'),
      coalesce(g.replied, to_timestamp(g.t)), to_timestamp(g.reply_edited)
    from json_to_recordset(p_items::json) g (
      id text, t float8, reply text, reply_html text, reply_name text, replied timestamptz, reply_who text,
      reply_edited float8)
    join import_item i on i.site_id = p_site and i.product = 'reviews' and i.source = p_source
      and i.external_id = g.id and i.item_id = any(ids)
    join review r on r.site_id = p_site and r.id = i.item_id
    where g.reply <> '' on conflict do nothing;
    perform count_imported_reviews(p_site, ids, 1);
  end if;
  if p_photos then
    perform wish_review_photos(p_site, array(
      select i.item_id from json_to_recordset(p_items::json) g (id text)
      join import_item i on i.site_id = p_site and i.product = 'reviews' and i.source = p_source
        and i.external_id = g.id));
  end if;
  for x in select g.c, g.d, g.n from json_to_recordset(p_items::json) g (c bigint, d int, n bigint)
      order by g.c desc, g.d desc, g.n desc limit 1 loop
    perform import_reached(p_site, p_run, added, present, x.c, x.d, x.n);
  end loop;
  return next;
end
$$;

-- Photos of an imported review: those that have an id are shown where they are here, and with nothing else.
create or replace function imported_photos(p_site int, p_review bigint, p_visitor bigint, p_media jsonb) returns jsonb
language sql stable as $$
  select coalesce(jsonb_agg(e.m order by e.n), '[]') from jsonb_array_elements(p_media) with ordinality e (m, n)
  where e.m ->> 'id' is null or exists (
    select from media d where d.site_id = p_site and d.id = substr(e.m ->> 'id', strpos(e.m ->> 'id', '-') + 1)
      and starts_with(e.m ->> 'id', p_site || '-') and d.visitor_id = p_visitor
      and d.item in ('', 'review:' || p_review))
$$;

-- What reviews p_ids of our own export have beside themselves: votes, reports, marks, a change that waits, their history.
create or replace function import_review_rest(p_site int, p_source text, p_ids bigint[], p_items text) returns void
language plpgsql as $$
begin
  with given as materialized (
    select r.id, r.channel_id, g.votes, g.flags, g.marks, g.changes, g.revision
    from json_to_recordset(p_items::json) g (id text, own boolean, votes json, flags json, marks json, changes json,
      revision json)
    join import_item i on i.site_id = p_site and i.product = 'reviews' and i.source = p_source
      and i.external_id = g.id and i.item_id = any(p_ids)
    join review r on r.site_id = p_site and r.id = i.item_id
    where g.own
  ), voted as (
    insert into review_vote (site_id, channel_id, visitor_id, review_id, value)
    select p_site, g.channel_id, (v ->> 0)::bigint, g.id, (v ->> 1)::int from given g, json_array_elements(g.votes) v
    where not exists (select from erasure e where e.site_id = p_site and e.visitor_id = (v ->> 0)::bigint)
    on conflict do nothing
  ), reported as (
    insert into review_flag (site_id, review_id, visitor_id, reason, created_at)
    select p_site, g.id, (v ->> 0)::bigint, v ->> 1, to_timestamp((v ->> 2)::float8)
    from given g, json_array_elements(g.flags) v
    where not exists (select from erasure e where e.site_id = p_site and e.visitor_id = (v ->> 0)::bigint)
    on conflict do nothing
  ), marked as (
    insert into review_mark (site_id, review_id, mark, score, words)
    select p_site, g.id, v ->> 0, (v ->> 1)::real, array(select json_array_elements_text(v -> 2))
    from given g, json_array_elements(g.marks) v on conflict do nothing
  ), waits as (
    insert into review_revision (site_id, review_id, data, created_at)
    select p_site, g.id, g.revision ->> 0, to_timestamp((g.revision ->> 1)::float8) from given g
    where json_typeof(g.revision) = 'array'
  )
  insert into review_change (site_id, review_id, who, deed, why, before, after, created_at)
  select p_site, g.id, v.c ->> 0, v.c ->> 1, v.c ->> 2, v.c ->> 3, v.c ->> 4, to_timestamp((v.c ->> 5)::float8)
  from given g, json_array_elements(g.changes) with ordinality v (c, n) order by g.id, v.n;
  -- Votes of who was forgotten count no more.
  update review r set up = greatest(0, r.up - x.up), down = greatest(0, r.down - x.down),
    rank = helpful_rank(greatest(0, r.up - x.up), greatest(0, r.down - x.down))
  from (
    select i.item_id, (count(*) filter (where (v ->> 1)::int > 0))::int as up,
      (count(*) filter (where (v ->> 1)::int < 0))::int as down
    from json_to_recordset(p_items::json) g (id text, own boolean, votes json)
    join import_item i on i.site_id = p_site and i.product = 'reviews' and i.source = p_source
      and i.external_id = g.id and i.item_id = any(p_ids), json_array_elements(g.votes) v
    where g.own and exists (select from erasure e where e.site_id = p_site and e.visitor_id = (v ->> 0)::bigint)
    group by 1
  ) x where r.site_id = p_site and r.id = x.item_id;
  update review q set n_answers = (
    select count(*) from review a where a.site_id = p_site and a.parent_id = q.id and a.status = 1)
  where q.site_id = p_site and q.kind = 1 and q.id in (
    select r.parent_id from review r where r.site_id = p_site and r.id = any(p_ids) and r.parent_id is not null);
end
$$;

-- As the release before this one calls it.
create or replace function import_reviews(p_site int, p_run bigint, p_source text, p_pages text, p_items text)
returns table (added int, present int) language sql as $$
  select added, present from import_reviews(p_site, p_run, p_source, false, p_pages, p_items)
$$;

-- Summaries, and statistics by day and state, of these reviews: p_sign 1 adds them, -1 takes them.
create or replace function count_imported_reviews(p_site int, p_ids bigint[], p_sign int) returns void
language plpgsql as $$
declare
  them review[] := array(select r from review r where r.site_id = p_site and r.id = any(p_ids));
begin
  perform count_reviews(case when p_sign < 0 then them else '{}' end, case when p_sign > 0 then them else '{}' end);
  insert into state_day as d (site_id, day, kind, pending, approved, spam, rejected, deleted)
  select p_site, (r.created_at at time zone 'utc')::date, 'review', p_sign * count(*) filter (where r.status = 0),
    p_sign * count(*) filter (where r.status = 1), p_sign * count(*) filter (where r.status = 2),
    p_sign * count(*) filter (where r.status = 3), p_sign * count(*) filter (where r.status = 4)
  from unnest(them) r group by 2 order by 2
  on conflict (site_id, day, kind) do update set pending = d.pending + excluded.pending,
    approved = d.approved + excluded.approved, spam = d.spam + excluded.spam, rejected = d.rejected + excluded.rejected,
    deleted = d.deleted + excluded.deleted;
end
$$;

create or replace function settle_reviews(p_site int, p_channels bigint[])
returns table (channel bigint, seq bigint) language plpgsql as $$
begin
  perform erase_alone(p_site);
  for channel in select h.id from channel h where h.site_id = p_site and h.id = any(p_channels)
      order by h.id for no key update loop
    seq := advance_seq(p_site, channel);
    perform announce(p_site, channel, seq, 'summary.updated',
                     format('{"summary":%s}', review_summary_json(p_site, channel)), false);
    return next;
  end loop;
end
$$;

-- Take about p_most reviews of a run back, page by page. Gives the pages that have none of them left, with their numbers,
-- and a row of nulls as long as there are more.
create or replace function undo_import_of_reviews(p_site int, p_run bigint, p_most int)
returns table (channel bigint, seq bigint) language plpgsql as $$
declare
  ids bigint[];
  stones bigint[];
  channels bigint[];
  x record;
begin
  perform erase_alone(p_site);
  select array_agg(i.item_id), array_agg(distinct i.channel_id) into ids, channels from (
    select y.item_id, y.channel_id from import_item y where y.site_id = p_site and y.run_id = p_run
      and y.product = 'reviews' order by y.channel_id desc, y.item_id desc limit p_most) i;
  if ids is null then
    return;
  end if;
  perform from channel h where h.site_id = p_site and h.id = any(channels) order by h.id for no key update;
  -- A question that somebody here answered since loses its words, and stays above the answers.
  stones := array(select q.id from review q where q.site_id = p_site and q.id = any(ids) and q.kind = 1 and exists (
    select from review a where a.site_id = p_site and a.parent_id = q.id and a.import_id is distinct from p_run));
  delete from import_item i where i.site_id = p_site and i.product = 'reviews' and i.item_id = any(ids);
  update review q set author_name = '', author_extra = '', ip = null, title = '', src = '', html = '', import_id = null,
    source = '', lexemes = '', modified_at = now()
  where q.site_id = p_site and q.id = any(stones);
  ids := array(select i from unnest(ids) i where i <> all(stones));
  perform count_imported_reviews(p_site, ids, -1);
  delete from review_vote v where v.site_id = p_site and v.review_id = any(ids);
  delete from review_flag v where v.site_id = p_site and v.review_id = any(ids);
  delete from review_mark v where v.site_id = p_site and v.review_id = any(ids);
  delete from review_revision v where v.site_id = p_site and v.review_id = any(ids);
  delete from review_change v where v.site_id = p_site and v.review_id = any(ids);
  delete from review_reply v where v.site_id = p_site and v.review_id = any(ids);
  update review q set n_answers = (
    select count(*) from review a where a.site_id = p_site and a.parent_id = q.id and a.status = 1 and a.id <> all(ids))
  where q.site_id = p_site and q.kind = 1 and q.id in (
    select r.parent_id from review r where r.site_id = p_site and r.id = any(ids) and r.parent_id is not null);
  delete from review r where r.site_id = p_site and r.id = any(ids);
  for x in select h.id from unnest(channels) h (id) where not exists (
      select from import_item i where i.site_id = p_site and i.run_id = p_run and i.channel_id = h.id
        and i.product = 'reviews') order by h.id loop
    select y.channel, y.seq into channel, seq from settle_reviews(p_site, array[x.id]) y;
    return next;
  end loop;
  if cardinality(ids) + cardinality(stones) >= p_most then
    channel := null;
    seq := null;
    return next;
  end if;
end
$$;
