-- Reviews that come from other systems: written in batches, told of page by page, taken back as a whole.
-- cackled: revision 2

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
    from json_to_recordset(p_items::json) g (id text, n bigint, c bigint)
    where not exists (select from import_item i where i.site_id = p_site and i.product = 'reviews'
      and i.source = p_source and i.external_id = g.id)
    order by g.n
    on conflict do nothing
    returning item_id
  )
  select array_agg(m.item_id) into ids from made m;
  select count(*) filter (where i.run_id = p_run), count(*) filter (where i.run_id <> p_run) into added, present
  from json_to_recordset(p_items::json) g (id text)
  join import_item i on i.site_id = p_site and i.product = 'reviews' and i.source = p_source and i.external_id = g.id;
  if ids is not null then
    with given as materialized (
      select g.*, i.item_id, i.channel_id, coalesce(a.visitor_id, g.v) as visitor
      from json_to_recordset(p_items::json) g (
        id text, t float8, v bigint, w bigint, a text, name text, ip inet, star int, title text, pros text, cons text,
        src text, html text, recommend boolean, criteria jsonb, variant text, media jsonb, verified text, origin text,
        incentivized boolean, status int, up int, down int)
      join import_item i on i.site_id = p_site and i.product = 'reviews' and i.source = p_source
        and i.external_id = g.id and i.item_id = any(ids)
      left join import_author a on a.site_id = p_site and a.source = p_source and a.author = g.a
    ), known as (
      select g.*, exists (select from erasure e where e.site_id = p_site and e.visitor_id = g.visitor) as gone,
        case when row_number() over (partition by g.channel_id, g.visitor order by g.item_id) > 1 or exists (
          select from review o where o.site_id = p_site and o.channel_id = g.channel_id and o.visitor_id = g.visitor
            and o.kind = 0 and o.status <> 4) then g.w else g.visitor end as whose
      from given g
    )
    insert into review (site_id, id, channel_id, visitor_id, author_name, ip, star, title, pros, cons, src, html,
      recommend, criteria, variant, media, verified, source, source_id, import_id, incentivized, status, seen, up, down,
      rank, created_at, lexemes)
    select p_site, k.item_id, k.channel_id, k.whose, k.name, k.ip, k.star, k.title, k.pros, k.cons, k.src, k.html,
      k.recommend, k.criteria, k.variant, k.media, k.verified, k.origin, null, p_run, k.incentivized, k.status,
      k.status <> 0, k.up, k.down, helpful_rank(k.up, k.down), to_timestamp(k.t),
      review_words(p_site, k.channel_id, k.whose, k.ip, k.name, concat_ws(' ', k.title, k.pros, k.cons, k.src))
    from known k where not k.gone order by k.item_id;
    insert into review_reply (site_id, review_id, src, html, name, who, created_at)
    select p_site, i.item_id, g.reply, g.reply_html, g.reply_name, 'import', coalesce(g.replied, to_timestamp(g.t))
    from json_to_recordset(p_items::json) g (
      id text, t float8, reply text, reply_html text, reply_name text, replied timestamptz)
    join import_item i on i.site_id = p_site and i.product = 'reviews' and i.source = p_source
      and i.external_id = g.id and i.item_id = any(ids)
    join review r on r.site_id = p_site and r.id = i.item_id
    where g.reply <> '';
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
  perform count_imported_reviews(p_site, ids, -1);
  delete from review_vote v where v.site_id = p_site and v.review_id = any(ids);
  delete from review_flag v where v.site_id = p_site and v.review_id = any(ids);
  delete from review_mark v where v.site_id = p_site and v.review_id = any(ids);
  delete from review_revision v where v.site_id = p_site and v.review_id = any(ids);
  delete from review_change v where v.site_id = p_site and v.review_id = any(ids);
  delete from review_reply v where v.site_id = p_site and v.review_id = any(ids);
  delete from review r where r.site_id = p_site and r.id = any(ids);
  delete from import_item i where i.site_id = p_site and i.product = 'reviews' and i.item_id = any(ids);
  for x in select h.id from unnest(channels) h (id) where not exists (
      select from import_item i where i.site_id = p_site and i.run_id = p_run and i.channel_id = h.id
        and i.product = 'reviews') order by h.id loop
    select y.channel, y.seq into channel, seq from settle_reviews(p_site, array[x.id]) y;
    return next;
  end loop;
  if cardinality(ids) >= p_most then
    channel := null;
    seq := null;
    return next;
  end if;
end
$$;
