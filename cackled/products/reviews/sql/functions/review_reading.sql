-- What is read of reviews.
-- cackled: revision 4

-- What is given out of a review whose words are gone: `cackled.products.reviews.events.REVIEW`.
create or replace function scrubbed_review() returns json language sql immutable parallel safe as $$
  select '{"author":null,"title":"","pros":"","cons":"","html":"","attributes":{},"variant":"","media":[],"videos":[],"reply":null,"deleted":true}'::json
$$;

create or replace function review_kind(p_kind int) returns text language sql immutable parallel safe as $$
  select (array['review', 'question', 'answer'])[p_kind + 1]
$$;

-- A time as answers write it, with milliseconds.
create or replace function milli_text(p_time timestamptz) returns text language sql stable parallel safe as $$
  select to_char(p_time at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

-- A review as a stranger sees it.
create or replace function review_json(r review) returns text language sql stable as $$
  select concat(
    '{"id":"', r.id, '","kind":"', review_kind(r.kind), '","parent":',
    case when r.parent_id is null then 'null' else concat('"', r.parent_id, '"') end,
    ',"author":{"id":"', r.visitor_id, '","name":', to_json(r.author_name),
    case when r.author_extra = '' then ',"avatar":null' else r.author_extra end,
    '},"star":', coalesce(r.star::text, 'null'), ',"title":', to_json(r.title), ',"pros":', to_json(r.pros),
    ',"cons":', to_json(r.cons), ',"html":', to_json(r.html), ',"recommend":', coalesce(r.recommend::text, 'null'),
    ',"criteria":', r.criteria, ',"attributes":', r.attributes, ',"variant":', to_json(r.variant),
    ',"media":', r.media, case when r.videos <> '' then concat(',"videos":', r.videos) end, ',"experienced":', coalesce(to_json(r.experienced)::text, 'null'),
    ',"created":"', milli_text(r.created_at), '","edited":', coalesce(to_json(milli_text(r.edited_at))::text, 'null'),
    ',"up":', r.up, ',"down":', r.down, ',"verified":', coalesce(to_json(nullif(r.verified, ''))::text, 'null'),
    ',"source":', coalesce(to_json(nullif(r.source, ''))::text, 'null'),
    ',"incentivized":', r.incentivized::text, ',"staff":', r.staff::text,
    case when r.featured then ',"featured":true' end, case when r.kind = 1 then concat(',"answered":', r.n_answers) end,
    ',"reply":', coalesce((
      select json_build_object('html', y.html, 'name', y.name, 'created', milli_text(y.created_at),
                               'edited', milli_text(y.edited_at))::text
      from review_reply y where y.site_id = r.site_id and y.review_id = r.id), 'null'),
    ',"deleted":false}')
$$;

-- The same for its author, with what is theirs alone: its state, the text as typed, why it is not shown, and a change that
-- waits. What nobody else is to see looks to them as if everybody did. Its pictures are at signed addresses then.
create or replace function own_review_json(r review) returns text language sql stable as $$
  select concat(left(case when r.status = 1 then review_json(r) else sign_media(review_json(r)) end, -1),
    case when r.status <> 1 and not r.shadow then concat(',"state":"', case r.status when 2 then 'pending'
      else status_name(r.status) end, '"') end,
    case when r.reason <> '' then concat(',"reason":', to_json(r.reason)) end,
    ',"text":', to_json(r.src),
    (select concat(',"revision":', sign_media(v.data)) from review_revision v where v.site_id = r.site_id and v.review_id = r.id),
    '}')
$$;

-- A question with some of its answers.
create or replace function question_json(r review) returns text language sql stable as $$
  select case when r.kind <> 1 then review_json(r) else concat(left(review_json(r), -1), ',"answers":[', (
    select string_agg(review_json(a), ',' order by a.id) from (
      select * from review x where x.site_id = r.site_id and x.parent_id = r.id and x.status = 1 order by x.id limit 20
    ) a), ']}') end
$$;

-- The mean of stars with two decimals; null of none.
create or replace function star_mean(p_total bigint, p_n bigint) returns text language sql immutable parallel safe as $$
  select coalesce(trim_scale(round(p_total::numeric / nullif(p_n, 0), 2))::text, 'null')
$$;

-- What a page has of reviews, as JSON; zeros where it has none.
create or replace function review_summary_json(p_site int, p_channel bigint) returns text language sql stable as $$
  select coalesce((
    select concat('{"count":', s.n, ',"average":', star_mean(s.total, s.n), ',"sum":', s.total,
      ',"histogram":', to_json(s.hist), ',"recommend":', s.recommend, ',"recommend_of":', s.recommend_of,
      ',"criteria":{', (
        select string_agg(concat(to_json(c.criterion), ':{"average":', star_mean(c.total, c.n), ',"count":', c.n, '}'),
                          ',' order by c.criterion)
        from review_criterion c where c.site_id = p_site and c.channel_id = p_channel and c.n > 0),
      '},"verified":', s.verified, ',"with_media":', s.with_media, ',"unrated":', s.unrated,
      ',"questions":', s.questions, ',"own":{"count":', s.own_n, ',"average":', star_mean(s.own_total, s.own_n), '}}')
    from review_summary s where s.site_id = p_site and s.channel_id = p_channel
  ), '{"count":0,"average":null,"sum":0,"histogram":[0,0,0,0,0],"recommend":0,"recommend_of":0,"criteria":{},"verified":0,"with_media":0,"unrated":0,"questions":0,"own":{"count":0,"average":null}}')
$$;

-- Lower bound of the Wilson score interval at 95 %: how sure it is that a review helps.
create or replace function helpful_rank(p_up int, p_down int) returns real language sql immutable parallel safe as $$
  select case when p_up + p_down <= 0 then 0 else ((p + 1.9208 / n - 1.96 * sqrt((p * (1 - p) + 0.9604 / n) / n))
    / (1 + 3.8416 / n))::real end
  from (select p_up::float8 / greatest(p_up + p_down, 1) as p, greatest(p_up + p_down, 1)::float8 as n) x
$$;

-- A page of reviews that are shown. p_find has, as JSON, any of: "kind", "parent", "stars" (an array), "media" (those that
-- show a photo), "verified",
-- "sort", "size", "value" and "id" (where the page before ended). Gives a row for each, and the value by which it is
-- sorted.
create or replace function review_page(p_site int, p_channel bigint, p_find text)
returns table (review text, value float8, id bigint) language plpgsql stable as $$
declare
  f json := p_find::json;
  sorted text := case f ->> 'sort' when 'helpful' then 'r.rank::float8' when 'media' then '(r.media @? ''$[*].url ? (@ != "")'')::int::float8'
    when 'high' then 'coalesce(r.star, 0)::float8' when 'low' then '-coalesce(r.star, 6)::float8'
    when 'old' then '-extract(epoch from r.created_at)::float8' else 'extract(epoch from r.created_at)::float8' end;
  ordered text := case f ->> 'sort' when 'helpful' then 'r.rank desc, r.id desc'
    when 'new' then 'r.created_at desc, r.id desc' when 'old' then 'r.created_at, r.id desc'
    else sorted || ' desc, r.id desc' end;
begin
  return query execute concat(
    'select question_json(r), ', sorted, ', r.id from review r where r.site_id = $1 and r.channel_id = $2 and r.status = 1',
    ' and r.kind = ', (f ->> 'kind')::int,
    ' and r.parent_id = ' || (f ->> 'parent')::bigint,
    ' and r.star in (' || (select string_agg(x::int::text, ',') from json_array_elements_text(f -> 'stars') x) || ')',
    case when (f ->> 'media')::boolean then ' and r.media @? ''$[*].url ? (@ != "")''' end,
    case when (f ->> 'verified')::boolean then ' and r.verified <> ''''' end,
    ' and (' || sorted || ', r.id) < (' || (f ->> 'value')::float8 || ', ' || (f ->> 'id')::bigint || ')',
    ' order by ', ordered, ' limit ', (f ->> 'size')::int)
  using p_site, p_channel;
end
$$;

-- The same of those that hold all words of p_words. To be run for all sites (row-level security would keep the index from
-- being used); p_site is the only one it looks at.
create or replace function review_words_page(p_site int, p_channel bigint, p_words text, p_find text)
returns table (review text, value float8, id bigint) language sql stable as $$
  select question_json(r), extract(epoch from r.created_at)::float8, r.id from review r
  where r.site_id = p_site and r.channel_id = p_channel and r.status = 1
    and r.kind = (p_find::json ->> 'kind')::int
    and r.lexemes @@ (format('''c:%s''', p_channel)::tsquery && plainto_tsquery('simple', p_words))
    and (p_find::json ->> 'id' is null or (extract(epoch from r.created_at)::float8, r.id)
      < ((p_find::json ->> 'value')::float8, (p_find::json ->> 'id')::bigint))
    and (p_find::json -> 'stars' is null or r.star in (
      select x::int from json_array_elements_text(p_find::json -> 'stars') x))
    and (p_find::json ->> 'media' is null or r.media @? '$[*].url ? (@ != "")')
    and (p_find::json ->> 'verified' is null or r.verified <> '')
  order by r.created_at desc, r.id desc limit (p_find::json ->> 'size')::int
$$;

-- What a site's reviews are like: the mean of all stars, and how many reviews the median product has (at least one).
create or replace function review_prior(p_site int, out mean float8, out weight float8) language sql stable as $$
  select coalesce(sum(s.total)::float8 / nullif(sum(s.n), 0), 0),
    coalesce(percentile_cont(0.5) within group (order by s.n), 1)
  from (select x.total, x.n from review_summary x where x.site_id = p_site and x.n > 0 order by x.n desc limit 10000) s
$$;

-- The mean of stars as if p_weight more of p_mean had been given: few reviews say little. Null of none.
create or replace function bayesian_mean(p_total bigint, p_n bigint, p_mean float8, p_weight float8) returns float8
language sql immutable parallel safe as $$
  select case when p_n > 0 then (p_weight * p_mean + p_total) / (p_weight + p_n) end
$$;

-- What moderators see of a review beside its words.
create or replace function review_facts(r review) returns text language sql stable as $$
  select json_build_object(
    'kind', review_kind(r.kind), 'star', r.star, 'title', r.title, 'pros', r.pros, 'cons', r.cons,
    'recommend', r.recommend, 'criteria', r.criteria, 'attributes', r.attributes, 'variant', r.variant,
    'media', r.media, 'experienced', r.experienced, 'verified', r.verified, 'source', r.source,
    'incentivized', r.incentivized, 'staff', r.staff, 'reason', r.reason,
    'reply', (select json_build_object('text', y.src, 'name', y.name, 'who', y.who, 'created', milli_text(y.created_at),
                                       'edited', milli_text(y.edited_at))
              from review_reply y where y.site_id = r.site_id and y.review_id = r.id),
    'order', (select json_build_object('order', o.ref, 'event', o.event, 'at', milli_text(o.happened_at))
              from review_order o where o.site_id = r.site_id and o.id = r.order_id))::text
$$;

-- A review as Cackle's scripts know one.
create or replace function review_old_row(r review, h channel) returns text language sql stable as $$
  select (json_build_object(
    'id', r.id, 'star', r.star, 'pros', r.pros, 'cons', r.cons, 'comment', r.html,
    'media', (select string_agg(m ->> 'url', ' ') from jsonb_array_elements(r.media) m where m ->> 'url' <> ''), 'recom', r.recommend,
    'up', r.up, 'down', r.down, 'created', (extract(epoch from r.created_at) * 1000)::bigint,
    'status', status_name(r.status), 'vb', r.verified = 'order', 'ym', r.source = 'Yandex Market',
    'details', coalesce((select json_agg(json_build_object('name', e.key, 'star', e.value::int) order by e.key)
                         from jsonb_each_text(r.criteria) e), '[]'),
    'chan', json_build_object('id', h.id::text, 'channel', h.key, 'url', h.url, 'title', h.title),
    'reply', (select count(*) from review_reply y where y.site_id = r.site_id and y.review_id = r.id),
    'comments', coalesce((
      select json_agg(json_build_object('id', y.review_id, 'comment', y.html, 'admin', true,
        'created', (extract(epoch from y.created_at) * 1000)::bigint, 'author', json_build_object('name', y.name)))
      from review_reply y where y.site_id = r.site_id and y.review_id = r.id), '[]'))::jsonb
    || case when r.author_extra = '' then jsonb_build_object('anonym', jsonb_build_object('name', r.author_name))
       else jsonb_build_object('author', jsonb_build_object('id', r.visitor_id, 'name', r.author_name)) end)::text
$$;

-- Earlier versions of a review that readers have seen, as a JSON array, the latest first: what each said, and until when it
-- was shown. Null where the review is not shown, or not to p_visitor. Photos are not kept.
create or replace function review_versions(p_site int, p_id bigint, p_visitor bigint, p_most int) returns text
language sql stable as $$
  select coalesce((
    select json_agg((v.said - 'text' - 'media' - 'shown' || jsonb_build_object('until', milli_text(v.created_at)))
                    order by v.id desc)::text
    from (
      select c.id, c.created_at, c.before::jsonb as said from review_change c
      where c.site_id = p_site and c.review_id = p_id and strpos(c.before, '"text"') > 0
        and (c.deed = 'edit' and strpos(c.before, '"shown": true') > 0 or c.deed = 'approve')
      order by c.id desc limit p_most
    ) v), '[]')
  from review r
  where r.site_id = p_site and r.id = p_id and not r.wiped and (r.status = 1 or r.visitor_id = p_visitor and r.status <> 4)
$$;
