-- Comments are posted, edited and deleted.
-- cackled: revision 12

-- How texts are made into HTML: `cackled.domain.text.HTML_VERSION`.
create or replace function html_version() returns smallint language sql immutable parallel safe as $$
  select 3::smallint
$$;

-- What is given out of a comment whose words are gone: `cackled.products.comments.events.COMMENT`.
create or replace function scrubbed_comment() returns json language sql immutable parallel safe as $$
  select '{"author":null,"html":"","media":[],"links":[],"deleted":true}'::json
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

-- The same for its author p_visitor, who also sees it while it waits, or where nobody else does. Raises CK403 where it is
-- somebody else's, or where nothing can be done in the conversation (any more).
create or replace function lock_own_comment(p_site int, p_id bigint, p_visitor bigint) returns comment
language plpgsql as $$
declare
  c comment;
begin
  perform from channel x where x.site_id = p_site and x.id = (
    select y.channel_id from comment y where y.site_id = p_site and y.id = p_id
  ) for no key update;
  select * into c from comment x where x.site_id = p_site and x.id = p_id
    and (x.status = 1 or x.visitor_id = p_visitor and (x.status in (0, 2) or x.shadow));
  if not found then
    raise exception using errcode = 'CK404', message = 'comment';
  elsif c.visitor_id <> p_visitor then
    raise exception using errcode = 'CK403', message = 'author';
  end if;
  perform check_writable(p_site, c.channel_id);
  return c;
end
$$;

-- Raises CK403 where a conversation is for reading only.
create or replace function check_writable(p_site int, p_channel bigint) returns void language plpgsql as $$
begin
  if (select k.read_only from comment_channel k where k.site_id = p_site and k.channel_id = p_channel) then
    raise exception using errcode = 'CK403', message = 'read-only';
  end if;
end
$$;

-- Raise the number of a channel without a word of what happened: what somebody whom nobody is to hear has done looks
-- to themselves like what others do.
create or replace function advance_silently(p_site int, p_channel bigint) returns bigint language plpgsql as $$
begin
  return tell_channel(p_site, p_channel);
end
$$;

-- p_words and p_title_words are what bans of words are held against. A title with such a word is left out, as nobody
-- typed it; a comment is refused. p_verdict: null where it is to be shown at once, else JSON of what becomes of it:
-- {"status": 0, "marks": ["link"], "score": 0.9, "words": ["casino"]}. What is not shown raises no number. Its member
-- "media" has the pictures; where there is no other the comment is shown at once.
-- Outcomes that are no success are raised with an SQLSTATE of class CK; the last three characters are the HTTP status.
create or replace function post_comment(
  p_site int, p_channel bigint, p_key text, p_url text, p_title text, p_visitor bigint, p_name text, p_ip inet,
  p_idem text, p_parent bigint, p_src text, p_html text, p_words text, p_title_words text, p_level int,
  p_webhook boolean, p_verdict text
) returns table (comment text, seq bigint, replayed boolean, source text) language plpgsql as $$
declare
  ch channel;
  k post_key;
  up comment;
  c comment;
  banned text;
  verdict json := judged_part(p_verdict);
  pictures text := coalesce(p_verdict::json ->> 'media', '');
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
      -- What was changed since can't be compared any more.
      if exists (
          select from comment x where x.site_id = p_site and x.id = k.comment_id and x.edited_at is null
            and x.status <> 4 and x.src <> '' and (x.src <> p_src or x.parent_id is distinct from p_parent)) then
        raise exception using errcode = 'CK422', message = 'key-reused';
      end if;
      return query select own_comment_json(x), k.seq, true, x.src from comment x
        where x.site_id = p_site and x.id = k.comment_id;
      return;
    end if;
  end if;
  if ch.key <> p_key then
    raise exception using errcode = 'CK409', message = 'key';
  elsif ch.locked then
    raise exception using errcode = 'CK403', message = 'locked';
  end if;
  perform check_pace(p_site, p_channel, p_visitor);
  perform check_warned(p_site, p_visitor);
  banned := ban_of(p_site, p_words, p_visitor, p_ip);
  if banned = 'ban' then
    raise exception using errcode = 'CK403', message = 'banned';
  end if;
  c.status := coalesce((verdict ->> 'status')::int, 1);
  if banned = 'shadow' then
    c.status := 3;
  end if;
  if p_parent is not null then
    select * into up from comment x
    where x.site_id = p_site and x.id = p_parent and x.channel_id = p_channel and (x.status = 1
      or x.shadow and x.visitor_id = p_visitor);
    if not found then
      raise exception using errcode = 'CK422', message = 'parent';
    elsif up.depth >= p_level then
      raise exception using errcode = 'CK422', message = 'depth';
    elsif up.locked then
      raise exception using errcode = 'CK403', message = 'comment-locked';
    end if;
    if up.shadow then
      -- What nobody sees is answered by its author alone, and so unseen.
      c.status := 3;
      banned := 'shadow';
    end if;
    if c.status = 1 then
      update comment x set n_replies = x.n_replies + (x.id = up.id)::int, n_thread = x.n_thread + (x.id = up.root_id)::int
      where x.site_id = p_site and x.id in (up.id, up.root_id);
    end if;
  end if;
  c.id := next_id(ch.last_comment_id);
  insert into comment (site_id, id, channel_id, parent_id, root_id, depth, visitor_id, author_name, ip, src, html,
                       html_ver, status, shown, shadow, media)
  values (p_site, c.id, p_channel, p_parent, coalesce(up.root_id, c.id), coalesce(up.depth + 1, 0), p_visitor,
          p_name, p_ip, p_src, p_html, html_version(), c.status, c.status = 1, banned is not null,
          pictures)
  returning * into c;
  perform check_pictures(p_site, 'comment:' || c.id, pictures);
  if p_url not in ('', ch.url) or p_title not in ('', ch.title) then
    update channel x set url = coalesce(nullif(p_url, ''), x.url), title = coalesce(nullif(p_title, ''), x.title)
    where x.site_id = p_site and x.id = p_channel;
  end if;
  select x.seq, x.visible into ch.seq, ch.n_visible
  from count_comments(p_site, p_channel, (c.status = 1)::int, (c.status = 1)::int,
                      (c.status = 1 and p_parent is null)::int, (c.status = 0)::int, c.id) x;
  if c.shadow then
    ch.seq := advance_silently(p_site, p_channel);
  end if;
  if p_idem is not null then
    insert into post_key (site_id, visitor_id, channel_id, key, comment_id, seq)
    values (p_site, p_visitor, p_channel, p_idem, c.id, ch.seq);
  end if;
  insert into visitor (site_id, id, name, first_ip, last_ip, n_comments)
  values (p_site, p_visitor, p_name, p_ip, p_ip, 1)
  on conflict (site_id, id) do update
  set name = excluded.name, last_ip = excluded.last_ip, n_comments = visitor.n_comments + 1, last_seen = now();
  if c.status = 1 then
    comment := comment_json(c);
    perform announce(p_site, p_channel, ch.seq, 'comment.created',
                     concat('{"comment":', comment, ',"comments":', ch.n_visible, '}'), p_webhook);
  else
    comment := own_comment_json(c);
  end if;
  if c.status <> 1 or verdict is not null then
    perform mark_comment(p_site, c.id, case when c.shadow then '{"marks":["shadow"]}' else verdict end);
    perform mail_held(c, (verdict ->> 'mail')::int);
    perform tell_queued(c);
  end if;
  seq := ch.seq;
  replayed := false;
  source := p_src;
  return next;
end
$$;

-- A verdict without what else comes with it; null where nothing is left: the comment is shown at once.
create or replace function judged_part(p_verdict text) returns json language sql immutable parallel safe as $$
  select nullif(p_verdict::jsonb - 'media', '{}')::json
$$;

-- Note why a comment is not simply shown: {"marks": [..], "score": .., "words": [..]}.
create or replace function mark_comment(p_site int, p_id bigint, p_verdict json) returns void language sql as $$
  insert into comment_mark (site_id, comment_id, mark, score, words)
  select p_site, p_id, m.mark, case when m.n = 1 then (p_verdict ->> 'score')::real end,
         case when m.n = 1 and json_typeof(p_verdict -> 'words') = 'array'
           then array(select json_array_elements_text(p_verdict -> 'words')) else '{}' end
  from json_array_elements_text(p_verdict -> 'marks') with ordinality m (mark, n)
  on conflict (site_id, comment_id, mark) do update set score = excluded.score, words = excluded.words
$$;

-- Raises CK409 where somebody writes again sooner than the conversation allows.
create or replace function check_pace(p_site int, p_channel bigint, p_visitor bigint) returns void language plpgsql as $$
declare
  k comment_channel;
begin
  select * into k from comment_channel x where x.site_id = p_site and x.channel_id = p_channel;
  if k.read_only then
    raise exception using errcode = 'CK403', message = 'read-only';
  elsif k.slow > 0 and exists (
    select from comment x where x.site_id = p_site and x.visitor_id = p_visitor and x.channel_id = p_channel
      and x.created_at > now() - make_interval(secs => k.slow)
  ) then
    raise exception using errcode = 'CK409', message = 'slow';
  end if;
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
  usual := ch.key = p_key and not ch.locked and not exists (
    select from comment_channel k where k.site_id = p_site and k.channel_id = p_channel and (k.read_only or k.slow > 0));
  if usual and keyed then
    -- Looked for under the lock: what came a moment ago with the same key is there.
    usual := not exists (
      select from unnest(p_visitors, p_idems) x (visitor, idem)
      join post_key y on y.site_id = p_site and y.visitor_id = x.visitor and y.channel_id = p_channel and y.key = x.idem);
  end if;
  usual := usual and not exists (
    select from author_warning w where w.site_id = p_site and w.visitor_id = any(p_visitors) and w.read_at is null);
  if usual and exists (select from ban b where b.site_id = p_site) then
    usual := not exists (
      select from unnest(p_words, p_visitors, p_ips) x (words, visitor, ip)
      where is_banned(p_site, x.words, x.visitor, x.ip));
  end if;
  if usual and answers > 0 then
    select array_agg(x.root_id order by p.n), array_agg(x.depth + 1 order by p.n),
           bool_and(p.parent is null or x.depth is not null and x.depth < p_level and not x.locked)
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

-- What the comment said before leaves the log with it. p_verdict as for post_comment: with one a published comment stays as
-- it is, and the new text waits as a revision; another is changed, and waits. Pictures are as before where it has no "media".
create or replace function edit_comment(
  p_site int, p_id bigint, p_visitor bigint, p_ip inet, p_src text, p_html text, p_words text, p_window int,
  p_webhook boolean, p_verdict text
) returns table (comment text, seq bigint, channel bigint) language plpgsql as $$
declare
  c comment := lock_own_comment(p_site, p_id, p_visitor);
  banned text := ban_of(p_site, p_words, p_visitor, p_ip);
  before text := c.src;
  verdict json := judged_part(p_verdict);
  pictures text := p_verdict::json ->> 'media';
begin
  channel := c.channel_id;
  if c.created_at < now() - make_interval(secs => p_window) then
    raise exception using errcode = 'CK409', message = 'window';
  elsif banned = 'ban' then
    raise exception using errcode = 'CK403', message = 'banned';
  elsif c.locked then
    raise exception using errcode = 'CK403', message = 'comment-locked';
  end if;
  if c.status = 1 and (verdict is not null or banned is not null) then
    -- Others go on reading what was approved; the author sees what they wrote.
    insert into comment_revision as r (site_id, comment_id, src, html, media)
    values (p_site, p_id, p_src, p_html, pictures)
    on conflict (site_id, comment_id) do update
    set src = excluded.src, html = excluded.html, media = coalesce(excluded.media, r.media), created_at = now();
    update comment x set version = x.version + 1, seen = false where x.site_id = p_site and x.id = p_id
    returning * into c;
    perform mark_comment(p_site, p_id, case when banned is not null then '{"marks":["shadow"]}' else verdict end);
    perform mark_comment(p_site, p_id, '{"marks":["edit"]}');
    perform mail_held(c, (verdict ->> 'mail')::int);
    perform tell_queued(c);
    c.src := p_src;
    c.html := p_html;
    perform check_pictures(p_site, 'comment:' || p_id, pictures);
    c.media := coalesce(sign_media(pictures), c.media);
    c.edited_at := now();
    comment := own_comment_json(c);
    if banned is not null then
      seq := advance_silently(p_site, channel);
    else
      comment := concat(left(comment, -1), ',"state":"pending"}');
      select x.seq into seq from channel x where x.site_id = p_site and x.id = channel;
    end if;
    return next;
    return;
  end if;
  update comment x set src = p_src, html = p_html, html_ver = html_version(), edited_at = now(), modified_at = now(),
    version = x.version + 1, media = coalesce(pictures, x.media)
  where x.site_id = p_site and x.id = p_id returning * into c;
  perform check_pictures(p_site, 'comment:' || p_id, pictures);
  perform search_again(p_site, p_id);
  perform note_change(p_site, p_id, 'author', 'edit', '', json_build_object('text', before)::text,
                      json_build_object('text', p_src)::text);
  if c.status <> 1 then
    comment := own_comment_json(c);
    if c.shadow then
      seq := advance_silently(p_site, channel);
    else
      select x.seq into seq from channel x where x.site_id = p_site and x.id = channel;
    end if;
    return next;
    return;
  end if;
  delete from comment_revision x where x.site_id = p_site and x.comment_id = p_id;
  seq := advance_seq(p_site, channel);
  comment := comment_json(c);
  perform replace_event_words(p_site, channel, 'comment', p_id, c.created_at, comment, null);
  perform announce(p_site, channel, seq, 'comment.updated',
                   concat('{"comment":', comment, ',"comments":', visible_comments(p_site, channel), '}'), p_webhook);
  return next;
end
$$;

-- A comment with replies leaves a tombstone; one without goes, and with it the tombstones above that it kept alive.
-- The text is gone from the row and the log at once. p_visitor null: a moderator deletes.
-- p_how: 'thread': all answers go too, which moderators may bring back; 'childless': refused where there are some.
create or replace function delete_comment(
  p_site int, p_id bigint, p_visitor bigint, p_webhook boolean, p_how text
) returns table (seq bigint, channel bigint) language plpgsql as $$
declare
  c comment;
  below comment;
begin
  if p_visitor is null then
    c := lock_comment(p_site, p_id);
  else
    c := lock_own_comment(p_site, p_id, p_visitor);
  end if;
  channel := c.channel_id;
  if p_how = 'childless' and c.n_replies > 0 then
    raise exception using errcode = 'CK409', message = 'replies';
  elsif p_how = 'thread' and c.n_replies > 0 then
    for below in with recursive down as (
        select x.* from comment x where x.site_id = p_site and x.channel_id = c.channel_id and x.root_id = c.root_id
          and x.parent_id = p_id
        union all
        select x.* from down d join comment x on x.site_id = p_site and x.channel_id = c.channel_id
          and x.root_id = c.root_id and x.parent_id = d.id
      ) select * from down where status <> 4 order by depth desc, id desc loop
      insert into comment_kept (site_id, comment_id, src, html, media)
      values (p_site, below.id, below.src, below.html, below.media)
      on conflict (site_id, comment_id) do update
      set src = excluded.src, html = excluded.html, media = excluded.media, created_at = now();
      perform set_comment_status(p_site, below.id, 4, p_webhook);
      perform note_change(p_site, below.id, 'author', 'thread', '', '', '');
    end loop;
  end if;
  seq := set_comment_status(p_site, p_id, 4, p_webhook);
  if c.shadow then
    seq := advance_silently(p_site, channel);
  end if;
  perform forget_comment_text(p_site, p_id);
  perform note_change(p_site, p_id, case when p_visitor is null then 'moderator' else 'author' end, 'delete', '', '', '');
  return next;
end
$$;
