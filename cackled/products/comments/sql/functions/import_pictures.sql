-- Pictures of imported comments and of their authors: noted with the import, fetched by us afterwards, some at a time.
-- cackled: revision 2

-- Note what a batch of `import_comments` names, where that is still to be fetched. Beyond p_most pictures of a run they
-- stay links.
create or replace function wish_import_pictures(
  p_site int, p_run bigint, p_source text, p_items text, p_avatars boolean, p_most int
) returns void language plpgsql
set plan_cache_mode = force_custom_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
declare
  n int;
begin
  if (select r.pictures from import_run r where r.site_id = p_site and r.id = p_run) >= p_most then
    select sum(json_array_length(g.pictures)) into n from json_to_recordset(p_items::json) g (pictures json);
    perform count_import_picture(p_site, p_run, 0, 'many', coalesce(n, 0));
    return;
  end if;
  with given as materialized (
    select g.*, (select i.item_id from import_item i where i.external_id = g.id and i.source = p_source
        and i.product = 'comments' and i.site_id = p_site) as item_id
    from json_to_recordset(p_items::json) g (id text, a text, v bigint, avatar text, pictures json)
  ), found as (
    select g.item_id as comment_id, 0::bigint as author_id, x ->> 'link' as link, x ->> 'alt' as alt, x ->> 'mark' as mark
    from given g cross join json_array_elements(g.pictures) x
    where g.item_id is not null
      and strpos((select c.src from comment c where c.id = g.item_id and c.site_id = p_site), x ->> 'mark') > 0
    union all
    select 0, a.visitor_id, g.avatar, '', ''
    from given g join import_author a on a.author = g.a and a.source = p_source and a.site_id = p_site and a.picture = ''
    where p_avatars and g.a <> '' and g.avatar <> ''
      and (select p.visitor_id from person p where p.site_id = p_site and p.visitor_id = a.visitor_id) is null
  ), made as (
    insert into import_picture (site_id, address, comment_id, author_id, run_id, link, host, alt, mark)
    select distinct on (sha256(f.link::bytea), f.comment_id, f.author_id) p_site, sha256(f.link::bytea), f.comment_id,
      f.author_id, p_run, f.link, lower(coalesce(substring(f.link from '^[a-z]+://([^/?#]+)'), '')), f.alt, f.mark
    from found f order by 2, 3, 4
    on conflict do nothing returning 1
  )
  select count(*) into n from made;
  if n > 0 then
    update import_run r set pictures = r.pictures + n where r.site_id = p_site and r.id = p_run;
    perform wake_import_pictures(p_site, 5);
  end if;
end
$$;

-- Count pictures of a run that are here (p_taken), or can't be had for p_reason. What was never noted counts as wished, too.
create or replace function count_import_picture(p_site int, p_run bigint, p_taken int, p_reason text, p_failed int)
returns void language sql as $$
  update import_run r set pictures_taken = r.pictures_taken + p_taken,
    pictures = r.pictures + case when p_reason = 'many' then p_failed else 0 end,
    pictures_failed = case when p_failed = 0 then r.pictures_failed else r.pictures_failed || jsonb_build_object(
      p_reason, coalesce((r.pictures_failed ->> p_reason)::int, 0) + p_failed) end
  where r.site_id = p_site and r.id = p_run
$$;

-- See that somebody looks for pictures when the next one is due, and not before p_seconds are over. One that nobody has
-- claimed yet is enough.
create or replace function wake_import_pictures(p_site int, p_seconds float8) returns void language sql as $$
  insert into outbox (site_id, kind, body, next_at)
  select p_site, 'import-pictures', '{}', greatest(min(p.next_at), now() + make_interval(secs => p_seconds))
  from import_picture p where p.site_id = p_site
  having count(*) > 0 and not exists (
    select from outbox o where o.site_id = p_site and o.kind = 'import-pictures' and o.done_at is null
      and o.dead_at is null and o.tries = 0
      and o.next_at <= greatest(now() + make_interval(secs => p_seconds), min(p.next_at)))
$$;

-- Claim addresses that are due, one of each host, for two minutes. Those of an import that is being written wait for its
-- end: so each address is asked for once, however many show it. One that nobody works on any more is over.
create or replace function take_import_pictures(p_site int, p_most int)
returns table (address bytea, link text, host text, tries int) language sql as $$
  with first as (
    select p.address, p.link, p.host, p.next_at from import_picture p
    join import_run r on r.site_id = p_site and r.id = p.run_id
      and (r.state in ('done', 'stopped', 'failed') or r.beat_at < now() - interval '10 minutes')
    where p.site_id = p_site and p.next_at <= now() order by p.next_at, p.host limit 500
  ), due as (
    select distinct on (f.host) f.address, f.link, f.host from first f order by f.host, f.next_at, f.address limit p_most
  ), taken as (
    update import_picture p set tries = p.tries + 1, next_at = now() + interval '2 minutes' from due d
    where p.site_id = p_site and p.address = d.address and p.next_at <= now()
    returning p.address, p.link, p.host, p.tries
  )
  select t.address, min(t.link), min(t.host), max(t.tries) from taken t group by 1 order by 1
$$;

-- For whom a picture is: comments with their text as it is now, and authors. What has no such place any more is dropped.
create or replace function import_picture_places(p_site int, p_address bytea, p_most int)
returns table (comment bigint, author bigint, visitor bigint, alt text, mark text, src text, own boolean)
language plpgsql as $$
declare
  x record;
begin
  for x in with gone as (
    delete from import_picture p
    where p.site_id = p_site and p.address = p_address and not case when p.comment_id <> 0
      then exists (select from comment c where c.site_id = p_site and c.id = p.comment_id and strpos(c.src, p.mark) > 0)
      else exists (select from import_author a where a.site_id = p_site and a.visitor_id = p.author_id and a.picture = '')
        and not exists (select from person q where q.site_id = p_site and q.visitor_id = p.author_id) end
    returning p.run_id
  ) select g.run_id, count(*)::int as n from gone g group by 1 order by 1 loop
    perform count_import_picture(p_site, x.run_id, 0, 'removed', x.n);
  end loop;
  return query
  select p.comment_id, p.author_id, coalesce(c.visitor_id, p.author_id), p.alt, p.mark, coalesce(c.src, ''),
    coalesce(strpos(c.html, 'class="mention-') > 0, false)
  from import_picture p left join comment c on c.site_id = p_site and c.id = p.comment_id and p.comment_id <> 0
  where p.site_id = p_site and p.address = p_address order by p.comment_id, p.author_id limit p_most;
end
$$;

-- A comment shows p_picture (JSON, as it is kept) where its link stood: its text p_was becomes p_src. Every open page
-- hears of it. ok: it was done, or there is nothing to do; not where the text is another by now.
create or replace function keep_comment_picture(
  p_site int, p_address bytea, p_comment bigint, p_was text, p_src text, p_html text, p_picture text
) returns table (ok boolean, channel bigint, seq bigint) language plpgsql as $$
declare
  c comment;
  run bigint;
begin
  perform from channel x where x.site_id = p_site and x.id = (
    select y.channel_id from comment y where y.site_id = p_site and y.id = p_comment
  ) for no key update;
  select * into c from comment x where x.site_id = p_site and x.id = p_comment for no key update;
  ok := c.id is null or c.src = p_was;
  if c.id is null or c.src <> p_was then
    return next;
    return;
  end if;
  delete from import_picture p where p.site_id = p_site and p.address = p_address and p.comment_id = p_comment
  returning p.run_id into run;
  if run is null then
    return next;
    return;
  end if;
  update comment x set src = p_src, html = p_html, html_ver = html_version(), modified_at = now(),
    version = x.version + 1,
    media = case when x.media = '' then '[' || p_picture || ']' else left(x.media, -1) || ',' || p_picture || ']' end
  where x.site_id = p_site and x.id = p_comment returning * into c;
  perform check_pictures(p_site, 'comment:' || p_comment, '[' || p_picture || ']');
  delete from comment_search s where s.site_id = p_site and s.comment_id = p_comment and p_src = '';
  perform search_again(p_site, p_comment);
  perform count_import_picture(p_site, run, 1, '', 0);
  if c.status = 1 and not c.shadow then
    channel := c.channel_id;
    seq := advance_seq(p_site, channel);
    perform announce(p_site, channel, seq, 'comment.updated', concat(
      '{"comment":', comment_json(c), ',"comments":', visible_comments(p_site, channel), '}'), false);
  end if;
  return next;
end
$$;

-- An imported author has the picture p_picture (its number). What they wrote shows it after `spread_author_picture`.
create or replace function keep_author_picture(p_site int, p_address bytea, p_author bigint, p_picture text)
returns boolean language plpgsql as $$
declare
  run bigint;
begin
  delete from import_picture p where p.site_id = p_site and p.address = p_address and p.author_id = p_author
    and p.comment_id = 0 returning p.run_id into run;
  if run is null then
    return false;
  end if;
  update import_author a set picture = p_picture
  where a.site_id = p_site and (a.author, a.source) = (
    select x.author, x.source from import_author x where x.site_id = p_site and x.visitor_id = p_author
      and x.picture = '' order by 2, 1 limit 1)
    and not exists (select from import_author x where x.site_id = p_site and x.visitor_id = p_author and x.picture <> '');
  if not found then
    perform count_import_picture(p_site, run, 0, 'removed', 1);
    return false;
  end if;
  perform keep_pictures(p_site, 'author:' || p_author, p_author, array[p_picture], '{}');
  perform count_import_picture(p_site, run, 1, '', 0);
  return true;
end
$$;

-- What comments show of an imported author with a picture beside id and name.
create or replace function imported_author_extra(p_site int, p_author bigint) returns text language sql immutable as $$
  select concat(',"avatar":"/avatar/', p_site, '/', p_author, '"')
$$;

-- Show an author's picture on what they wrote, at most p_most comments a call; each page is told once. A row with nulls
-- at the end: there are more.
create or replace function spread_author_picture(p_site int, p_author bigint, p_most int)
returns table (channel bigint, seq bigint) language plpgsql as $$
declare
  ids bigint[];
  places bigint[];
begin
  select array_agg(x.id), array_agg(distinct x.channel_id) into ids, places from (
    select c.id, c.channel_id from comment c
    where c.site_id = p_site and c.visitor_id = p_author and c.author_extra = '' and c.status <> 4
    order by c.channel_id, c.id limit p_most) x;
  if ids is null then
    return;
  end if;
  perform from channel h where h.site_id = p_site and h.id = any(places) order by h.id for no key update;
  update comment c set author_extra = imported_author_extra(p_site, p_author), modified_at = now()
  where c.site_id = p_site and c.id = any(ids) and c.author_extra = '' and c.status <> 4
    and exists (select from import_author a where a.site_id = p_site and a.visitor_id = p_author and a.picture <> '');
  for channel in select h.id from unnest(places) h (id) order by 1 loop
    seq := tell_channel(p_site, channel);
    return next;
  end loop;
  if cardinality(ids) >= p_most then
    channel := null;
    seq := null;
    return next;
  end if;
end
$$;

-- New comments of imported authors whose picture is here already.
create or replace function show_author_pictures(p_site int, p_ids bigint[]) returns void language sql
set plan_cache_mode = force_custom_plan as $$
  update comment c set author_extra = imported_author_extra(p_site, c.visitor_id)
  where c.site_id = p_site and c.id = any(p_ids) and c.author_extra = '' and c.status <> 4 and exists (
    select from import_author a where a.site_id = p_site and a.visitor_id = c.visitor_id and a.picture <> '')
$$;

-- An address, or with p_host all of its host that were tried so often, can't be had: links stay. Gives how many.
create or replace function drop_import_pictures(p_site int, p_address bytea, p_host text, p_tries int, p_reason text)
returns int language plpgsql as $$
declare
  x record;
  n int := 0;
begin
  for x in
    with gone as (
      delete from import_picture p where p.site_id = p_site
        and (p.address = p_address or p_host <> '' and p.host = p_host and p.tries >= p_tries)
      returning p.run_id
    )
    select g.run_id, count(*)::int as n from gone g group by 1 order by 1 loop
    perform count_import_picture(p_site, x.run_id, 0, p_reason, x.n);
    n := n + x.n;
  end loop;
  return n;
end
$$;

-- Try an address again later; with p_host none of its host before that, and it counts as a try of all of them.
create or replace function put_import_pictures_off(p_site int, p_address bytea, p_host text, p_seconds float8)
returns void language sql as $$
  update import_picture p set next_at = greatest(p.next_at, now() + make_interval(secs => p_seconds)),
    tries = p.tries + case when p.address = p_address then 0 else 1 end
  where p.site_id = p_site and p_host <> '' and p.host = p_host and p.address <> p_address;
  update import_picture p set next_at = now() + make_interval(secs => p_seconds)
  where p.site_id = p_site and p.address = p_address
$$;

-- An imported author is forgotten, became somebody who signed in, or the picture was removed by itself: what they wrote
-- shows it no more, and it goes.
create or replace function author_picture_gone() returns trigger language plpgsql as $$
begin
  if tg_op = 'UPDATE' then
    if new.picture = old.picture and new.visitor_id = old.visitor_id then
      return null;
    end if;
    if new.picture = old.picture then
      update import_author a set picture = '' where a.site_id = new.site_id and a.source = new.source
        and a.author = new.author;
      return null;
    end if;
  end if;
  perform drop_media(old.site_id, array[old.picture]);
  update comment c set author_extra = '', modified_at = now()
  where c.site_id = old.site_id and c.visitor_id = old.visitor_id
    and c.author_extra = imported_author_extra(old.site_id, old.visitor_id);
  return null;
end
$$;

create or replace function forget_author_picture() returns trigger language plpgsql as $$
begin
  update import_author a set picture = ''
  where a.site_id = old.site_id and a.visitor_id = substr(old.item, 8)::bigint and a.picture = old.id;
  return null;
end
$$;

create or replace trigger author_picture_dropped after delete on media
for each row when (old.item like 'author:%') execute function forget_author_picture();
create or replace trigger author_picture_changed after update of picture, visitor_id on import_author
for each row when (old.picture <> '') execute function author_picture_gone();
create or replace trigger author_picture_forgotten after delete on import_author
for each row when (old.picture <> '') execute function author_picture_gone();
