-- What moderators do with comments.
-- cackled: revision 3

-- Do p_deed with a comment. p_version: what the moderator looked at (null: whatever it is). Gives the outcome: 'done',
-- 'same' (there was nothing to do), 'conflict' (it was changed since: by whom and how is the last line of its history),
-- 'gone' (there is none, or its text was forgotten), 'replies' (it has some). seq: where its channel is now.
create or replace function decide_comment(
  p_site int, p_id bigint, p_version int, p_deed text, p_action bigint, p_who text, p_name text, p_why text,
  p_webhook boolean
) returns table (outcome text, version int, state text, seq bigint, channel bigint) language plpgsql as $$
declare
  c comment;
  now_is comment;
  r comment_revision;
  kept comment_kept;
  k comment_channel;
  before jsonb;
  words text := '';
  to_status int;
begin
  select x.channel_id into channel from comment x where x.site_id = p_site and x.id = p_id;
  perform from channel x where x.site_id = p_site and x.id = channel for no key update;
  select x.seq into seq from channel x where x.site_id = p_site and x.id = channel;
  select * into c from comment x where x.site_id = p_site and x.id = p_id for update;
  if not found then
    outcome := 'gone';
    return next;
    return;
  end if;
  version := c.version;
  state := status_name(c.status);
  if p_version is not null and c.version <> p_version then
    outcome := 'conflict';
    return next;
    return;
  end if;
  select * into r from comment_revision x where x.site_id = p_site and x.comment_id = p_id;
  select * into k from comment_channel x where x.site_id = p_site and x.channel_id = channel;
  before := jsonb_build_object(
    'status', c.status, 'shadow', c.shadow, 'flags', c.n_flags, 'seen', c.seen, 'locked', c.locked,
    'featured', c.featured, 'pinned', coalesce(p_id = any(k.pinned), false), 'lesson', (
      select l.spam from spam_lesson l where l.site_id = p_site and l.kind = 'comment' and l.item = p_id));
  outcome := 'done';
  to_status := case p_deed when 'approve' then 1 when 'restore' then 1 when 'spam' then 2 when 'reject' then 3 when 'hush' then 3
    when 'delete' then 4 when 'childless' then 4 when 'hold' then 0 end;
  if p_deed = 'childless' and c.n_replies > 0 then
    outcome := 'replies';
    return next;
    return;
  elsif p_deed in ('pin', 'unpin', 'feature', 'unfeature') and c.status <> 1 then
    outcome := 'gone';
    return next;
    return;
  end if;
  if r.comment_id is not null and c.status = 1 and p_deed in ('approve', 'reject') then
    -- It is the waiting text that is decided on.
    delete from comment_revision x where x.site_id = p_site and x.comment_id = p_id;
    delete from comment_mark x where x.site_id = p_site and x.comment_id = p_id and x.mark = 'edit';
    if p_deed = 'approve' then
      words := json_build_object('text', c.src, 'html', c.html, 'media', c.media)::text;
      update comment x set src = r.src, html = r.html, media = coalesce(r.media, x.media), html_ver = html_version(), edited_at = r.created_at,
        modified_at = now() where x.site_id = p_site and x.id = p_id returning * into c;
      before := before || '{"revision":"approved"}';
      seq := tell_updated(c, p_webhook);
      perform replace_event_words(p_site, channel, 'comment', p_id, c.created_at, comment_json(c), null);
      perform search_again(p_site, p_id);
    else
      words := json_build_object('text', r.src, 'html', r.html, 'media', r.media)::text;
      before := before || '{"revision":"rejected"}';
    end if;
  elsif to_status is not null and to_status <> c.status then
    if c.status = 4 then
      select * into kept from comment_kept x where x.site_id = p_site and x.comment_id = p_id;
      if not found then
        outcome := 'gone';
        return next;
        return;
      end if;
      update comment x set src = kept.src, html = kept.html, media = kept.media where x.site_id = p_site and x.id = p_id;
    elsif to_status = 4 then
      insert into comment_kept (site_id, comment_id, src, html, media)
      values (p_site, p_id, c.src, c.html, c.media)
      on conflict (site_id, comment_id) do update
      set src = excluded.src, html = excluded.html, media = excluded.media, created_at = now();
    end if;
    seq := set_comment_status(p_site, p_id, to_status, p_webhook);
  elsif p_deed in ('pin', 'unpin') then
    if (p_deed = 'pin') = (before ->> 'pinned')::boolean then
      outcome := 'same';
    else
      update comment_channel x set pinned = nullif(case when p_deed = 'pin' then x.pinned || p_id
        else array_remove(x.pinned, p_id) end, '{}') where x.site_id = p_site and x.channel_id = channel;
      seq := tell_channel(p_site, channel);
    end if;
  elsif p_deed in ('close', 'open') then
    if (p_deed = 'close') = (select x.locked from channel x where x.site_id = p_site and x.id = channel) then
      outcome := 'same';
    else
      before := before || jsonb_build_object('closed', p_deed = 'open');
      seq := lock_channel(p_site, channel, p_deed = 'close');
    end if;
  elsif p_deed in ('feature', 'unfeature', 'lock', 'unlock') then
    update comment x set featured = case p_deed when 'feature' then true when 'unfeature' then false else x.featured end,
      locked = case p_deed when 'lock' then true when 'unlock' then false else x.locked end
    where x.site_id = p_site and x.id = p_id returning * into now_is;
    if (now_is.featured, now_is.locked) = (c.featured, c.locked) then
      outcome := 'same';
    elsif c.status = 1 then
      seq := tell_updated(now_is, p_webhook);
    end if;
  elsif not (p_deed in ('unflag', 'approve') and c.n_flags > 0) and (c.seen or p_deed not in ('seen', 'approve')) then
    outcome := 'same';
  end if;
  if outcome = 'done' then
    -- Hushed: its author goes on seeing it.
    update comment x set version = c.version + 1, seen = true, shadow = x.shadow or p_deed = 'hush',
      n_flags = case when p_deed in ('approve', 'unflag') then 0 else x.n_flags end
    where x.site_id = p_site and x.id = p_id returning * into now_is;
    version := now_is.version;
    state := status_name(now_is.status);
    if p_deed in ('approve', 'restore', 'spam') then
      perform teach(p_site, 'comment', p_id, c.visitor_id, p_deed = 'spam');
    end if;
    perform note_change(p_site, p_id, p_who, p_deed, p_why,
                        case when words <> '' then words else json_build_object('state', status_name(c.status))::text end,
                        json_build_object('state', state)::text);
    perform note_step(p_site, p_action, 'comment:' || p_id, p_deed, p_name, before::text, version, state);
  end if;
  return next;
end
$$;

-- Tell pages that a comment looks different; gives the number of its channel.
create or replace function tell_updated(c comment, p_webhook boolean) returns bigint language plpgsql as $$
declare
  seq bigint := advance_seq(c.site_id, c.channel_id);
begin
  perform announce(c.site_id, c.channel_id, seq, 'comment.updated', concat(
    '{"comment":', comment_json(c), ',"comments":', visible_comments(c.site_id, c.channel_id), '}'), p_webhook);
  return seq;
end
$$;

-- Tell pages what may be done in a conversation, and what is pinned there; gives its number.
create or replace function tell_channel(p_site int, p_channel bigint) returns bigint language plpgsql as $$
declare
  seq bigint := advance_seq(p_site, p_channel);
  ch channel;
  k comment_channel;
begin
  select * into ch from channel x where x.site_id = p_site and x.id = p_channel;
  select * into k from comment_channel x where x.site_id = p_site and x.channel_id = p_channel;
  perform announce(p_site, p_channel, seq, 'channel.updated', concat(
    '{"comments":', coalesce(k.n_visible, 0), ',"locked":', ch.locked::text, channel_extra(k), '}'), false);
  return seq;
end
$$;

-- What a conversation says of itself where it is not as usual.
create or replace function channel_extra(k comment_channel) returns text language sql immutable parallel safe as $$
  select concat(case when k.read_only then ',"readOnly":true' end, case when k.slow > 0 then ',"slow":' || k.slow end,
    case when k.pinned is not null then
      ',"pinned":[' || (select string_agg('"' || p || '"', ',') from unnest(k.pinned) p) || ']' end)
$$;

-- Undo what an action did to a comment, if nothing was done to it since. Outcomes as for decide_comment.
create or replace function undo_comment(
  p_site int, p_id bigint, p_action bigint, p_who text, p_name text, p_webhook boolean
) returns table (outcome text, version int, state text, seq bigint, channel bigint) language plpgsql as $$
declare
  c comment;
  was comment;
  s moderation_step;
  h comment_change;
  kept comment_kept;
  k comment_channel;
  before json;
  wanted int;
begin
  select x.channel_id into channel from comment x where x.site_id = p_site and x.id = p_id;
  perform from channel x where x.site_id = p_site and x.id = channel for no key update;
  select x.seq into seq from channel x where x.site_id = p_site and x.id = channel;
  select * into c from comment x where x.site_id = p_site and x.id = p_id for update;
  select * into s from moderation_step x where x.site_id = p_site and x.action_id = p_action
    and x.item = 'comment:' || p_id;
  version := c.version;
  state := status_name(c.status);
  outcome := case when c.id is null or s.item is null then 'gone' when s.undone then 'same'
    when c.version <> s.version then 'conflict' else 'done' end;
  if outcome <> 'done' then
    return next;
    return;
  end if;
  before := s.before::json;
  if before ->> 'edit' is not null then
    seq := undo_staff_edit(c, p_webhook);
    if seq is null then
      select x.seq into seq from channel x where x.site_id = p_site and x.id = channel;
      outcome := 'gone';
      return next;
      return;
    end if;
    version := c.version + 1;
    update moderation_step x set undone = true where x.site_id = p_site and x.action_id = p_action
      and x.item = 'comment:' || p_id;
    perform note_change(p_site, p_id, p_who, 'undo', '', '', json_build_object('state', state)::text);
    perform tell_staff(p_site, 'item.decided', json_build_object(
      'item', 'comment:' || p_id, 'action', 'undo', 'by', p_name, 'state', state, 'version', version,
      'decision', p_action::text)::text);
    return next;
    return;
  end if;
  wanted := (before ->> 'status')::int;
  if before ->> 'revision' is not null then
    select * into h from comment_change x where x.site_id = p_site and x.comment_id = p_id and x.before <> ''
      and x.deed in ('approve', 'reject') order by x.id desc limit 1;
    if not found then
      outcome := 'gone';
      return next;
      return;
    end if;
    if before ->> 'revision' = 'approved' then
      insert into comment_revision (site_id, comment_id, src, html, media)
      values (p_site, p_id, c.src, c.html, c.media) on conflict do nothing;
      update comment x set src = h.before::json ->> 'text', html = h.before::json ->> 'html',
        media = coalesce(h.before::json ->> 'media', x.media)
      where x.site_id = p_site and x.id = p_id returning * into c;
      perform replace_event_words(p_site, channel, 'comment', p_id, c.created_at, comment_json(c), null);
      seq := tell_updated(c, p_webhook);
      perform search_again(p_site, p_id);
    else
      insert into comment_revision (site_id, comment_id, src, html, media)
      values (p_site, p_id, h.before::json ->> 'text', h.before::json ->> 'html', h.before::json ->> 'media')
      on conflict do nothing;
    end if;
    perform mark_comment(p_site, p_id, '{"marks":["edit"]}');
  end if;
  if wanted <> c.status then
    if c.status = 4 then
      select * into kept from comment_kept x where x.site_id = p_site and x.comment_id = p_id;
      if not found then
        outcome := 'gone';
        return next;
        return;
      end if;
      update comment x set src = kept.src, html = kept.html, media = kept.media where x.site_id = p_site and x.id = p_id;
    elsif wanted = 4 then
      insert into comment_kept (site_id, comment_id, src, html, media)
      values (p_site, p_id, c.src, c.html, c.media)
      on conflict (site_id, comment_id) do update
      set src = excluded.src, html = excluded.html, media = excluded.media, created_at = now();
    end if;
    seq := set_comment_status(p_site, p_id, wanted, p_webhook);
  end if;
  was := c;
  select * into k from comment_channel x where x.site_id = p_site and x.channel_id = channel;
  if wanted = 1 and (before ->> 'pinned')::boolean <> coalesce(p_id = any(k.pinned), false) then
    update comment_channel x set pinned = nullif(case when (before ->> 'pinned')::boolean then x.pinned || p_id
      else array_remove(x.pinned, p_id) end, '{}') where x.site_id = p_site and x.channel_id = channel;
    seq := tell_channel(p_site, channel);
  end if;
  if before ->> 'closed' is not null then
    seq := lock_channel(p_site, channel, (before ->> 'closed')::boolean);
  end if;
  update comment x set version = c.version + 1, shadow = (before ->> 'shadow')::boolean, seen = (before ->> 'seen')::boolean,
    n_flags = case when x.n_flags = 0 then (before ->> 'flags')::int else x.n_flags end,
    locked = (before ->> 'locked')::boolean, featured = (before ->> 'featured')::boolean
  where x.site_id = p_site and x.id = p_id returning * into c;
  if c.status = 1 and was.status = 1 and (c.locked, c.featured) <> (was.locked, was.featured) then
    seq := tell_updated(c, p_webhook);
  end if;
  version := c.version;
  state := status_name(c.status);
  perform teach(p_site, 'comment', p_id, c.visitor_id, (before ->> 'lesson')::boolean);
  update moderation_step x set undone = true where x.site_id = p_site and x.action_id = p_action
    and x.item = 'comment:' || p_id;
  perform note_change(p_site, p_id, p_who, 'undo', '', '', json_build_object('state', state)::text);
  perform tell_staff(p_site, 'item.decided', json_build_object(
    'item', 'comment:' || p_id, 'action', 'undo', 'by', p_name, 'state', state, 'version', version,
    'decision', p_action::text)::text);
  return next;
end
$$;

-- Close a conversation, make it for reading only, slow it down, or the reverse; null leaves a thing as it is. A number of
-- its channel, or null where nobody has written there.
create or replace function set_conversation(
  p_site int, p_channel bigint, p_closed boolean, p_read_only boolean, p_slow int
) returns bigint language plpgsql as $$
declare
  ch channel;
  k comment_channel;
begin
  select * into ch from channel x where x.site_id = p_site and x.id = p_channel for no key update;
  if not found then
    return null;
  end if;
  select * into k from comment_channel x where x.site_id = p_site and x.channel_id = p_channel;
  if coalesce(p_closed, ch.locked) = ch.locked and coalesce(p_read_only, k.read_only) = k.read_only
      and coalesce(p_slow, k.slow) = k.slow then
    return ch.seq;
  end if;
  update channel x set locked = coalesce(p_closed, x.locked) where x.site_id = p_site and x.id = p_channel;
  update comment_channel x set read_only = coalesce(p_read_only, x.read_only), slow = coalesce(p_slow, x.slow)
  where x.site_id = p_site and x.channel_id = p_channel;
  return tell_channel(p_site, p_channel);
end
$$;
