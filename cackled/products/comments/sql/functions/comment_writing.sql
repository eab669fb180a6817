-- Comments are posted, edited and deleted.
-- cackled: revision 5

-- How texts are made into HTML: `cackled.domain.text.HTML_VERSION`.
create or replace function html_version() returns smallint language sql immutable parallel safe as $$
  select 2::smallint
$$;

-- What is given out of a comment whose words are gone: `cackled.products.comments.events.COMMENT`.
create or replace function scrubbed_comment() returns json language sql immutable parallel safe as $$
  select '{"author":null,"html":"","deleted":true}'::json
$$;

-- The comment with its channel's row locked; raises CK404 where there is none that a visitor can see.
create or replace function lock_comment(p_site int, p_id bigint) returns comment language plpgsql as $$
declare
  c comment;
begin
  perform from channel x where x.site_id = p_site and x.id = (
    select y.channel_id from comment y where y.site_id = p_site and y.id = p_id
  ) for no key update;
  select * into c from comment x where x.site_id = p_site and x.id = p_id and x.status = 1;
  if not found then
    raise exception using errcode = 'CK404', message = 'comment';
  end if;
  return c;
end
$$;

-- p_words and p_title_words are what bans of words are held against. A title with such a word is left out, as nobody
-- typed it; a comment is refused. Outcomes that are no success are raised with an SQLSTATE of class CK; the last three
-- characters are the HTTP status.
create or replace function post_comment(
  p_site int, p_channel bigint, p_key text, p_url text, p_title text, p_visitor bigint, p_name text, p_ip inet,
  p_idem text, p_parent bigint, p_src text, p_html text, p_words text, p_title_words text, p_level int,
  p_webhook boolean
) returns table (comment text, seq bigint, replayed boolean, source text) language plpgsql as $$
declare
  ch channel;
  k post_key;
  up comment;
  c comment;
begin
  select * into ch from channel x where x.site_id = p_site and x.id = p_channel for no key update;
  if p_title <> '' and p_title is distinct from ch.title and is_banned(p_site, p_title_words, null, null) then
    p_title := '';
  end if;
  if ch.id is null then
    insert into channel (site_id, id, key, url, title) values (p_site, p_channel, p_key, p_url, p_title)
    on conflict do nothing;
    select * into ch from channel x where x.site_id = p_site and x.id = p_channel for no key update;
  end if;
  if p_idem is not null then
    select * into k from post_key x
    where x.site_id = p_site and x.visitor_id = p_visitor and x.channel_id = p_channel and x.key = p_idem;
    if found then
      return query select comment_json(x), k.seq, true, x.src from comment x
        where x.site_id = p_site and x.id = k.comment_id;
      return;
    end if;
  end if;
  if ch.key <> p_key then
    raise exception using errcode = 'CK409', message = 'key';
  elsif ch.locked then
    raise exception using errcode = 'CK403', message = 'locked';
  end if;
  if is_banned(p_site, p_words, p_visitor, p_ip) then
    raise exception using errcode = 'CK403', message = 'banned';
  end if;
  if p_parent is not null then
    select * into up from comment x
    where x.site_id = p_site and x.id = p_parent and x.channel_id = p_channel and x.status = 1;
    if not found then
      raise exception using errcode = 'CK422', message = 'parent';
    elsif up.depth >= p_level then
      raise exception using errcode = 'CK422', message = 'depth';
    end if;
    update comment x set n_replies = x.n_replies + 1, n_thread = x.n_thread + (x.id = up.root_id)::int
    where x.site_id = p_site and x.id = up.id;
    if up.id <> up.root_id then
      update comment x set n_thread = x.n_thread + 1 where x.site_id = p_site and x.id = up.root_id;
    end if;
  end if;
  c.id := next_id(ch.last_comment_id);
  insert into comment (site_id, id, channel_id, parent_id, root_id, depth, visitor_id, author_name, ip, src, html,
                       html_ver)
  values (p_site, c.id, p_channel, p_parent, coalesce(up.root_id, c.id), coalesce(up.depth + 1, 0), p_visitor,
          p_name, p_ip, p_src, p_html, html_version())
  returning * into c;
  if p_url not in ('', ch.url) or p_title not in ('', ch.title) then
    update channel x set url = coalesce(nullif(p_url, ''), x.url), title = coalesce(nullif(p_title, ''), x.title)
    where x.site_id = p_site and x.id = p_channel;
  end if;
  select x.seq, x.visible into ch.seq, ch.n_visible
  from count_comments(p_site, p_channel, 1, 1, (p_parent is null)::int, 0, c.id) x;
  if p_idem is not null then
    insert into post_key (site_id, visitor_id, channel_id, key, comment_id, seq)
    values (p_site, p_visitor, p_channel, p_idem, c.id, ch.seq);
  end if;
  insert into visitor (site_id, id, name, first_ip, last_ip, n_comments)
  values (p_site, p_visitor, p_name, p_ip, p_ip, 1)
  on conflict (site_id, id) do update
  set name = excluded.name, last_ip = excluded.last_ip, n_comments = visitor.n_comments + 1, last_seen = now();
  comment := comment_json(c);
  perform announce(p_site, p_channel, ch.seq, 'comment.created',
                   concat('{"comment":', comment, ',"comments":', ch.n_visible, '}'), p_webhook);
  seq := ch.seq;
  replayed := false;
  source := p_src;
  return next;
end
$$;

-- Write several comments of one channel as one change, in the order given, as `post_comment` would write each; the arrays
-- have a place for each of them. Only where all is usual: if one is to be refused, or was written before, nothing is
-- written (SQLSTATE CK409, or that of a constraint), and the caller writes each by itself.
create or replace function post_comments(
  p_site int, p_channel bigint, p_key text, p_urls text[], p_titles text[], p_visitors bigint[], p_names text[],
  p_ips inet[], p_idems text[], p_parents bigint[], p_srcs text[], p_htmls text[], p_words text[],
  p_title_words text[], p_level int, p_webhook boolean
) returns table (comment text, seq bigint, replayed boolean, source text) language plpgsql
-- Plans for the lengths of these very arrays would be made anew each time.
set plan_cache_mode = force_generic_plan as $$
declare
  n int := cardinality(p_srcs);
  ch channel;
  last bigint;
  keyed boolean := false;
  answers int := 0;
  ids bigint[];
  seqs bigint[];
  roots bigint[];
  depths int[];
  usual boolean;
  moved boolean := false;
  jsons text[];
  datas text[];
begin
  select * into ch from channel x where x.site_id = p_site and x.id = p_channel for no key update;
  if not found then
    insert into channel (site_id, id, key) values (p_site, p_channel, p_key) on conflict do nothing;
    select * into ch from channel x where x.site_id = p_site and x.id = p_channel for no key update;
  end if;
  last := ch.last_comment_id;
  for i in 1 .. n loop
    last := next_id(last);
    ids[i] := last;
    seqs[i] := ch.seq + i;
    keyed := keyed or p_idems[i] is not null;
    answers := answers + (p_parents[i] is not null)::int;
    if p_urls[i] not in ('', ch.url) then
      ch.url := p_urls[i];
      moved := true;
    end if;
    if p_titles[i] <> '' and p_titles[i] <> ch.title and not is_banned(p_site, p_title_words[i], null, null) then
      ch.title := p_titles[i];
      moved := true;
    end if;
  end loop;
  usual := ch.key = p_key and not ch.locked;
  if usual and keyed then
    -- Looked for under the lock: what came a moment ago with the same key is there.
    usual := not exists (
      select from unnest(p_visitors, p_idems) x (visitor, idem)
      join post_key y on y.site_id = p_site and y.visitor_id = x.visitor and y.channel_id = p_channel and y.key = x.idem);
  end if;
  if usual and exists (select from ban b where b.site_id = p_site) then
    usual := not exists (
      select from unnest(p_words, p_visitors, p_ips) x (words, visitor, ip)
      where is_banned(p_site, x.words, x.visitor, x.ip));
  end if;
  if usual and answers > 0 then
    select array_agg(x.root_id order by p.n), array_agg(x.depth + 1 order by p.n),
           bool_and(p.parent is null or x.depth is not null and x.depth < p_level)
    into roots, depths, usual
    from unnest(p_parents) with ordinality p (parent, n)
    left join comment x on x.site_id = p_site and x.id = p.parent and x.channel_id = p_channel and x.status = 1;
  end if;
  if not usual then
    raise exception using errcode = 'CK409', message = 'together';
  end if;
  if answers > 0 then
    update comment x set n_replies = x.n_replies + a.replies, n_thread = x.n_thread + a.thread
    from (
      select y.id, sum(y.replies) as replies, sum(y.thread) as thread
      from (
        select p.id, 1 as replies, 0 as thread from unnest(p_parents) p (id)
        union all
        select r.id, 0, 1 from unnest(roots) r (id)
      ) y
      where y.id is not null group by y.id
    ) a
    where x.site_id = p_site and x.id = a.id;
  end if;
  with made as (
    insert into comment as c (site_id, id, channel_id, parent_id, root_id, depth, visitor_id, author_name, ip, src, html,
                              html_ver)
    select p_site, x.id, p_channel, x.parent, coalesce(x.root, x.id), coalesce(x.depth, 0), x.visitor, x.name, x.ip,
           x.src, x.html, html_version()
    from unnest(ids, p_parents, roots, depths, p_visitors, p_names, p_ips, p_srcs, p_htmls)
      x (id, parent, root, depth, visitor, name, ip, src, html)
    returning c.id, comment_json(c) as json
  )
  select array_agg(m.json order by m.id),
         array_agg(concat('{"comment":', m.json, ',"comments":', ch.n_visible + m.n, '}') order by m.id)
  into jsons, datas
  from (select x.*, row_number() over (order by x.id) as n from made x) m;
  if moved then
    update channel x set url = ch.url, title = ch.title where x.site_id = p_site and x.id = p_channel;
  end if;
  perform count_comments(p_site, p_channel, n, n, n - answers, 0, last);
  if keyed then
    insert into post_key (site_id, visitor_id, channel_id, key, comment_id, seq)
    select p_site, x.visitor, p_channel, x.idem, x.id, x.seq
    from unnest(p_visitors, p_idems, ids, seqs) x (visitor, idem, id, seq) where x.idem is not null;
  end if;
  -- In the order of visitors everywhere: each row is locked until all is written, and two batches may meet.
  insert into visitor (site_id, id, name, first_ip, last_ip, n_comments)
  select p_site, x.visitor, (array_agg(x.name order by x.n desc))[1], (array_agg(x.ip order by x.n))[1],
         (array_agg(x.ip order by x.n desc))[1], count(*)
  from unnest(p_visitors, p_names, p_ips) with ordinality x (visitor, name, ip, n)
  group by x.visitor order by x.visitor
  on conflict (site_id, id) do update
  set name = excluded.name, last_ip = excluded.last_ip, n_comments = visitor.n_comments + excluded.n_comments,
      last_seen = now();
  perform announce_all(p_site, p_channel, seqs[1], 'comment.created', datas, p_webhook);
  return query select x.json, x.seq, false, x.src from unnest(jsons, seqs, p_srcs) x (json, seq, src);
end
$$;

-- What the comment said before leaves the log with it.
create or replace function edit_comment(
  p_site int, p_id bigint, p_visitor bigint, p_ip inet, p_src text, p_html text, p_words text, p_window int,
  p_webhook boolean
) returns table (comment text, seq bigint, channel bigint) language plpgsql as $$
declare
  c comment := lock_comment(p_site, p_id);
begin
  if c.visitor_id <> p_visitor then
    raise exception using errcode = 'CK403', message = 'author';
  elsif c.created_at < now() - make_interval(secs => p_window) then
    raise exception using errcode = 'CK409', message = 'window';
  elsif is_banned(p_site, p_words, p_visitor, p_ip) then
    raise exception using errcode = 'CK403', message = 'banned';
  end if;
  update comment x set src = p_src, html = p_html, html_ver = html_version(), edited_at = now(), modified_at = now()
  where x.site_id = p_site and x.id = p_id returning * into c;
  seq := advance_seq(p_site, c.channel_id);
  channel := c.channel_id;
  comment := comment_json(c);
  perform replace_event_words(p_site, channel, 'comment', p_id, c.created_at, comment, null);
  perform announce(p_site, channel, seq, 'comment.updated',
                   concat('{"comment":', comment, ',"comments":', visible_comments(p_site, channel), '}'), p_webhook);
  return next;
end
$$;

-- A comment with replies leaves a tombstone; one without goes, and with it the tombstones above that it kept alive.
-- The text is gone from the row and the log at once. p_visitor null: a moderator deletes.
create or replace function delete_comment(p_site int, p_id bigint, p_visitor bigint, p_webhook boolean)
returns table (seq bigint, channel bigint) language plpgsql as $$
declare
  c comment := lock_comment(p_site, p_id);
  up comment;
  gone bigint[] := '{}';
  roots int := 0;
begin
  if c.visitor_id <> p_visitor then
    raise exception using errcode = 'CK403', message = 'author';
  end if;
  update comment x set status = 4, shown = (x.n_replies > 0), src = '', html = '', modified_at = now()
  where x.site_id = p_site and x.id = p_id returning * into c;
  up := c;
  while not up.shown loop
    if up.parent_id is null then
      roots := -1;
      exit;
    end if;
    update comment x set n_thread = x.n_thread - 1 where x.site_id = p_site and x.id = up.root_id;
    update comment x set n_replies = x.n_replies - 1, shown = (x.status = 1 or x.n_replies > 1)
    where x.site_id = p_site and x.id = up.parent_id returning * into up;
    if not up.shown then
      gone := gone || up.id;
    end if;
  end loop;
  seq := advance_seq(p_site, c.channel_id, -1, roots);
  channel := c.channel_id;
  perform replace_event_words(p_site, channel, 'comment', p_id, c.created_at, null, scrubbed_comment());
  perform announce(p_site, channel, seq, 'comment.deleted', format(
    '{"id":"%s","tombstone":%s,"removed":%s,"root":"%s","comments":%s}', p_id, c.shown::text,
    (select coalesce(json_agg(g::text), '[]') from unnest(gone) g), c.root_id, visible_comments(p_site, channel)), p_webhook);
  return next;
end
$$;
