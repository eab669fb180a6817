-- What owners learn of their reviews, and what they say of products.
-- cackled: revision 1

-- Of a page, or of all (null): by day, by criterion, and the words that reviews with one star have more often than others.
create or replace function review_statistics(p_site int, p_channel bigint, p_days int) returns text
language sql stable as $$
  with r as materialized (
    select x.created_at, x.star, x.recommend, x.criteria, x.title, x.pros, x.cons, x.src from review x
    where x.site_id = p_site and (p_channel is null or x.channel_id = p_channel) and x.status = 1 and x.kind = 0
      and x.created_at >= now() - make_interval(days => p_days)
    order by x.created_at desc limit 100000
  ), days as (
    select (created_at at time zone 'utc')::date as day, count(star) as n, avg(star) as mean,
      array[count(*) filter (where star = 1), count(*) filter (where star = 2), count(*) filter (where star = 3),
            count(*) filter (where star = 4), count(*) filter (where star = 5)] as stars
    from r group by 1
  ), criteria as (
    select e.key, count(*) as n, avg(e.value::int) as mean from r, jsonb_each_text(r.criteria) e group by 1
  ), told as (
    select star, array(select distinct m[1] from regexp_matches(
      lower(left(concat_ws(' ', title, pros, cons, src), 2000)), '[[:alpha:]]{4,30}', 'g') m) as words
    from r where star is not null order by created_at desc limit 5000
  ), words as (
    select w, count(*) filter (where star = 1) as one, count(*) as n from told, unnest(words) w group by 1
  ), sums as (select count(*) filter (where star = 1) as one, count(*) as n from told)
  select json_build_object(
    'days', coalesce((select json_agg(json_build_object('day', day, 'count', n, 'average', round(mean, 2),
                                                        'stars', stars) order by day) from days), '[]'),
    'criteria', coalesce((select json_object_agg(key, json_build_object('count', n, 'average', round(mean, 2)))
                          from criteria), '{}'),
    'words', coalesce((select json_agg(json_build_object('word', w, 'one', one, 'all', n) order by lift desc, w) from (
      select w, words.one, words.n, (words.one + 0.5) / (words.n + 1.0) * ln(words.one + 1) as lift from words, sums
      where words.one >= 2 and words.one::float8 / words.n > 1.5 * sums.one / greatest(sums.n, 1)
      order by 4 desc, w limit 30) y), '[]'))::text
$$;

-- Signs that somebody should look at: many on one day, from one network, nearly the same words, far from what others say.
create or replace function review_signals(p_site int, p_days int) returns text language sql stable as $$
  with r as materialized (
    select x.id, x.channel_id, x.created_at, x.star, x.ip, lower(regexp_replace(
      concat_ws(' ', x.title, x.pros, x.cons, x.src), '\W+', ' ', 'g')) as words, x.verified
    from review x where x.site_id = p_site and x.kind = 0 and x.status in (0, 1) and x.import_id is null
      and x.created_at >= now() - make_interval(days => p_days)
    order by x.created_at desc limit 20000
  ), burst as (
    select 'burst' as kind, channel_id, array_agg(id order by id desc) as ids, min(created_at) as since,
      json_build_object('count', count(*), 'average', round(avg(star), 2)) as detail
    from r group by channel_id, date_trunc('day', created_at)
    having count(*) >= 10 and count(*) > 5 * (
      select count(*)::float8 / greatest(p_days, 1) from r y where y.channel_id = r.channel_id)
  ), network as (
    select 'network', channel_id, array_agg(id order by id desc), min(created_at),
      json_build_object('network', set_masklen(ip, case when family(ip) = 4 then 24 else 48 end)::cidr::text,
                        'count', count(*))
    from (select *, network(set_masklen(ip, case when family(ip) = 4 then 24 else 48 end)) as net from r
          where ip is not null) r
    group by channel_id, net, set_masklen(ip, case when family(ip) = 4 then 24 else 48 end) having count(*) >= 3
  ), same as (
    select 'same-text', min(channel_id), array_agg(id order by id desc), min(created_at),
      json_build_object('count', count(*))
    from r where length(words) >= 20 group by md5(left(words, 200)) having count(*) >= 2
  ), means as (
    select channel_id, avg(star) as mean, stddev_pop(star) as dev, count(*) as n from r group by 1 having count(star) >= 10
  ), deviation as (
    select 'deviation', r.channel_id, array_agg(r.id order by r.id desc), min(r.created_at),
      json_build_object('count', count(*), 'average', round(min(m.mean), 2))
    from r join means m on m.channel_id = r.channel_id
    where abs(r.star - m.mean) > 2.5 and r.verified = '' group by r.channel_id having count(*) >= 3
  ), found as (
    select * from burst union all select * from network union all select * from same union all select * from deviation
  )
  select coalesce(json_agg(json_build_object(
    'kind', f.kind, 'channel', f.channel_id::text, 'key', h.key, 'title', h.title,
    'reviews', (select json_agg(i::text) from unnest(f.ids[1:50]) i), 'since', milli_text(f.since), 'detail', f.detail)
    order by f.since desc), '[]')::text
  from (select * from found order by since desc limit 200) f
  join channel h on h.site_id = p_site and h.id = f.channel_id
$$;

-- A review with all that is kept of it, for its owner's records: removed ones with the reason.
create or replace function review_export(r review, h channel) returns text language sql stable as $$
  select json_build_object(
    'id', r.id::text, 'kind', review_kind(r.kind), 'parent', r.parent_id::text, 'channel', h.key, 'url', h.url,
    'page_title', h.title, 'state', status_name(r.status), 'reason', r.reason, 'author', r.author_name, 'star', r.star,
    'title', r.title, 'pros', r.pros, 'cons', r.cons, 'text', r.src, 'recommend', r.recommend, 'criteria', r.criteria,
    'attributes', r.attributes, 'variant', r.variant, 'media', r.media, 'experienced', r.experienced,
    'verified', r.verified, 'source', r.source, 'incentivized', r.incentivized, 'staff', r.staff, 'up', r.up,
    'down', r.down, 'created', milli_text(r.created_at), 'edited', milli_text(r.edited_at),
    'reply', (select json_build_object('text', y.src, 'name', y.name, 'created', milli_text(y.created_at))
              from review_reply y where y.site_id = r.site_id and y.review_id = r.id),
    'history', coalesce((select json_agg(json_build_object('at', milli_text(c.created_at), 'deed', c.deed, 'why', c.why)
                                         order by c.id)
                         from review_change c where c.site_id = r.site_id and c.review_id = r.id), '[]'))::text
$$;

-- What is known of a product, as JSON.
create or replace function review_product_json(p_site int, p_channel bigint) returns text language sql stable as $$
  select json_build_object('key', h.key, 'url', h.url, 'name', coalesce(nullif(p.name, ''), h.title),
    'category', coalesce(p.category, ''), 'brand', coalesce(p.brand, ''), 'gtin', coalesce(p.gtin, ''),
    'mpn', coalesce(p.mpn, ''), 'sku', coalesce(p.sku, ''), 'image', coalesce(p.image, ''),
    'price', coalesce(p.price, ''), 'currency', coalesce(p.currency, ''))::text
  from (select p_channel as id) x left join channel h on h.site_id = p_site and h.id = x.id
  left join review_product p on p.site_id = p_site and p.channel_id = x.id
$$;

create or replace function save_review_product(p_site int, p_channel bigint, p_key text, p_url text, p_facts text)
returns void language plpgsql as $$
declare
  f json := p_facts::json;
begin
  perform open_channel(p_site, 'reviews', p_channel, p_key, p_url, coalesce(f ->> 'name', ''));
  insert into review_product as p (site_id, channel_id, name, category, brand, gtin, mpn, sku, image, price, currency)
  values (p_site, p_channel, coalesce(f ->> 'name', ''), coalesce(f ->> 'category', ''), coalesce(f ->> 'brand', ''),
          coalesce(f ->> 'gtin', ''), coalesce(f ->> 'mpn', ''), coalesce(f ->> 'sku', ''), coalesce(f ->> 'image', ''),
          coalesce(f ->> 'price', ''), coalesce(f ->> 'currency', ''))
  on conflict (site_id, channel_id) do update set
    name = coalesce(f ->> 'name', p.name), category = coalesce(f ->> 'category', p.category),
    brand = coalesce(f ->> 'brand', p.brand), gtin = coalesce(f ->> 'gtin', p.gtin), mpn = coalesce(f ->> 'mpn', p.mpn),
    sku = coalesce(f ->> 'sku', p.sku), image = coalesce(f ->> 'image', p.image),
    price = coalesce(f ->> 'price', p.price), currency = coalesce(f ->> 'currency', p.currency), modified_at = now();
end
$$;

-- Products of a category ('': of all), by their Bayesian mean or by how many reviews they have. The mean shown is the true
-- one.
create or replace function top_review_products(p_site int, p_category text, p_order text, p_most int) returns text
language sql stable as $$
  select coalesce(json_agg(json_build_object('key', y.key, 'url', y.url, 'title', y.title, 'image', y.image,
    'category', y.category, 'count', y.n, 'average', round(y.total::numeric / y.n, 2), 'score', round(y.score::numeric, 3))
    order by case when p_order = 'count' then y.n else y.score end desc, y.key), '[]')::text
  from (
    select h.key, h.url, coalesce(nullif(p.name, ''), h.title) as title, coalesce(p.image, '') as image,
      coalesce(p.category, '') as category, s.n, s.total, bayesian_mean(s.total, s.n, m.mean, m.weight) as score
    from review_summary s join channel h on h.site_id = p_site and h.id = s.channel_id
    left join review_product p on p.site_id = p_site and p.channel_id = s.channel_id, review_prior(p_site) m
    where s.site_id = p_site and s.n > 0 and (p_category = '' or p.category = p_category)
    order by case when p_order = 'count' then s.n else bayesian_mean(s.total, s.n, m.mean, m.weight) end desc, h.key
    limit p_most
  ) y
$$;
