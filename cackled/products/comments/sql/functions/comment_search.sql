-- Looking for comments: by words, author, page, address, date, state and mark.
-- cackled: revision 6

-- What a comment can be found by: its words, and with a prefix its site (s), channel (c), author (v), the words of the
-- author's name (a), its address and network (i).
-- One expression of immutable functions (a number is cast to text for that), so that the planner puts it in place of
-- the call.
create or replace function comment_lexemes(c comment) returns tsvector language sql immutable parallel safe as $$
  select strip(to_tsvector('simple', left(c.src, 20000))) || array_to_tsvector(array_remove(array[
    's:' || c.site_id::text, 'c:' || c.channel_id::text, 'v:' || c.visitor_id::text, 'i:' || host(c.ip),
    'i:' || host(network(set_masklen(c.ip, case when family(c.ip) = 4 then 24 else 64 end)))
      || case when family(c.ip) = 4 then '/24' else '/64' end
  ] || string_to_array('a:' || replace(lower(btrim(c.author_name)), ' ', chr(31) || 'a:'), chr(31)), null))
$$;

-- Put a comment there as it is now: after its text or its channel changed.
create or replace function search_again(p_site int, p_id bigint) returns void language sql as $$
  insert into comment_search (site_id, comment_id, lexemes)
  select c.site_id, c.id, comment_lexemes(c) from comment c where c.site_id = p_site and c.id = p_id and c.src <> ''
  on conflict (site_id, comment_id) do update set lexemes = excluded.lexemes
$$;

-- Index the next comments, at most p_most, none of the last minute: one with a lower id may still be under way. Gives how
-- many there were.
create or replace function index_comments(p_most int) returns int language plpgsql as $$
declare
  reached bigint;
  last bigint := ((extract(epoch from now()) - 60) * 1000000 - 1735689600000000)::bigint << 12;
  n int;
begin
  select r.id into reached from comment_search_reached r for update skip locked;
  if not found then
    return 0;
  end if;
  select max(x.id), count(*) into last, n from (
    select c.id from comment c where c.id > reached and c.id <= last order by c.id limit p_most) x;
  if n = 0 then
    return 0;
  end if;
  update comment_search_reached set id = last;
  insert into comment_search (site_id, comment_id, lexemes)
  select c.site_id, c.id, comment_lexemes(c) from comment c where c.id > reached and c.id <= last and c.src <> ''
  on conflict (site_id, comment_id) do update set lexemes = excluded.lexemes;
  return n;
end
$$;

-- The conditions of a search as SQL. p_find has, as JSON, any of: "states" (numbers), "flagged", "unseen", "revised" (what
-- waits with a new text, whatever its state), "visitor", "networks", "sections" (beginnings of keys), "days" (of so
-- many), "ban_name", "ban_word", "ban_mail", "ban_domain" (what such a ban is about), "mark", "words" (any text), "lexemes" (a tsquery), "phrases" (lower case), "since" and "until"
-- (timestamps), "before" and "after" (ids).
create or replace function comment_conditions(p_site int, p_find json) returns text language sql stable as $$
  select concat(
    'c.site_id = ', p_site,
    ' and c.status in (' || (select string_agg((x::int)::text, ',') from json_array_elements_text(p_find -> 'states') x)
      || ')',
    case when (p_find ->> 'flagged')::boolean then ' and c.n_flags > 0 and c.status = 1' end,
    case when (p_find ->> 'unseen')::boolean then ' and not c.seen and c.status in (0, 1)' end,
    ' and exists (select from comment_mark m where m.site_id = c.site_id and m.comment_id = c.id and m.mark = '
      || quote_literal(p_find ->> 'mark') || ')',
    ' and c.created_at >= ' || quote_literal((p_find ->> 'since')::timestamptz),
    ' and c.created_at < ' || quote_literal((p_find ->> 'until')::timestamptz),
    ' and c.visitor_id = ' || (p_find ->> 'visitor')::bigint,
    ' and (' || (select string_agg('c.ip <<= ' || quote_literal(x::inet), ' or ')
                 from json_array_elements_text(p_find -> 'networks') x) || ')',
    ' and lower(c.author_name) = ' || quote_literal(lower(p_find ->> 'ban_name')),
    ' and strpos(lower(c.src), ' || quote_literal(lower(p_find ->> 'ban_word')) || ') > 0',
    ' and c.visitor_id in (select p.visitor_id from person p where p.site_id = ' || p_site || ' and '
      || coalesce('regexp_replace(lower(p.email), ''[+][^@]*@'', ''@'') = ' || quote_literal(p_find ->> 'ban_mail'),
                  'split_part(lower(p.email), ''@'', 2) = ' || quote_literal(p_find ->> 'ban_domain')) || ')',
    ' and c.channel_id in (select h.id from channel h where h.site_id = ' || p_site || ' and (' || (
      select string_agg('starts_with(h.key, ' || quote_literal(x) || ')', ' or ')
      from json_array_elements_text(p_find -> 'sections') x) || '))',
    -- Numbers are times.
    ' and c.id > ' || (((extract(epoch from now()) - (p_find ->> 'days')::float8 * 86400) * 1000000
                        - 1735689600000000)::bigint << 12),
    ' and c.id < ' || (p_find ->> 'before')::bigint,
    ' and c.id > ' || (p_find ->> 'after')::bigint,
    (select string_agg(' and strpos(lower(c.src), ' || quote_literal(x) || ') > 0', '')
     from json_array_elements_text(p_find -> 'phrases') x))
$$;

-- The ids of comments that are looked for, the newest first. To be run for all sites (row-level security would keep the
-- index from being used); p_site is the only one it looks at.
create or replace function find_comments(p_site int, p_find text, p_limit int) returns setof bigint
language plpgsql stable as $$
declare
  find json := p_find::json;
  conditions text := comment_conditions(p_site, find);
  -- A new text that waits is found by its words, as by those of the old one.
  others text := comment_conditions(p_site, (find::jsonb - 'states' - 'phrases')::json) || coalesce((
    select string_agg(' and strpos(lower(concat_ws('' '', c.src, r.src)), ' || quote_literal(x) || ') > 0', '')
    from json_array_elements_text(find -> 'phrases') x), '');
  lexemes text := nullif(concat_ws(' & ', nullif(plainto_tsquery('simple', find ->> 'words')::text, ''), find ->> 'lexemes'), '');
  reached bigint;
  branches text[] := '{}';
begin
  if lexemes is null then
    branches := branches || format('select c.id from comment c where %s order by c.id desc limit %s', conditions, p_limit);
  else
    select r.id into reached from comment_search_reached r;
    lexemes := quote_literal(format('''s:%s'' & (%s)', p_site, lexemes));
    branches := array[
      format('select c.id from comment c where %s and c.id > %s and c.src <> '''' and comment_lexemes(c) @@ %s::tsquery
              order by c.id desc limit %s', conditions, reached, lexemes, p_limit),
      format('select c.id from comment_search f join comment c on c.site_id = %1$s and c.id = f.comment_id
              where f.site_id = %1$s and f.lexemes @@ %2$s::tsquery and %3$s and f.comment_id <= %5$s
              order by f.comment_id desc limit %4$s',
             p_site, lexemes, conditions, p_limit, reached)];
  end if;
  if (find ->> 'revised')::boolean then
    branches := branches || format(
      'select c.id from comment_revision r join comment c on c.site_id = %1$s and c.id = r.comment_id
       where r.site_id = %1$s and %2$s and not (%3$s) %4$s order by c.id desc limit %5$s',
      p_site, others, conditions,
      ' and (comment_lexemes(c) || to_tsvector(''simple'', left(r.src, 20000))) @@ ' || lexemes || '::tsquery', p_limit);
  end if;
  return query execute format('select id from (%s) x order by id desc limit %s',
    (select string_agg('(' || x || ')', ' union all ') from unnest(branches) x), p_limit);
end
$$;

-- How many there are, at most p_most.
create or replace function count_found_comments(p_site int, p_find text, p_most int) returns int
language sql stable as $$
  select count(*)::int from find_comments(p_site, p_find, p_most)
$$;
