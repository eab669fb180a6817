-- What moderators do to a comment's text, and to a conversation as a whole.
-- cackled: revision 6

-- Change the text of a comment as a moderator: an action of the log. Outcomes as for decide_comment. What was there before
-- stands in the comment's history alone, so that it is forgotten with that.
create or replace function edit_comment_as_staff(
  p_site int, p_id bigint, p_version int, p_who text, p_name text, p_why text, p_src text, p_html text,
  p_webhook boolean
) returns table (outcome text, version int, state text, seq bigint, channel bigint, action bigint)
language plpgsql as $$
declare
  c comment;
  before text;
begin
  select x.channel_id into channel from comment x where x.site_id = p_site and x.id = p_id;
  perform from channel x where x.site_id = p_site and x.id = channel for no key update;
  select x.seq into seq from channel x where x.site_id = p_site and x.id = channel;
  select * into c from comment x where x.site_id = p_site and x.id = p_id for update;
  version := c.version;
  state := status_name(c.status);
  outcome := case when c.id is null or c.status = 4 then 'gone'
    when p_version is not null and c.version <> p_version then 'conflict' else 'done' end;
  if outcome <> 'done' then
    return next;
    return;
  end if;
  -- Locked is locked, for colleagues too: who wants to change it unlocks it, which the log tells.
  if c.locked then
    raise exception using errcode = 'CK403', message = 'comment-locked';
  end if;
  before := json_build_object('text', c.src, 'html', c.html, 'edited', c.edited_at, 'revision', (
    select json_build_object('text', r.src, 'html', r.html, 'media', r.media) from comment_revision r
    where r.site_id = p_site and r.comment_id = p_id))::text;
  update comment x set src = p_src, html = p_html, html_ver = html_version(), edited_at = now(), modified_at = now(),
    version = x.version + 1, seen = true
  where x.site_id = p_site and x.id = p_id returning * into c;
  delete from comment_revision x where x.site_id = p_site and x.comment_id = p_id;
  delete from comment_mark x where x.site_id = p_site and x.comment_id = p_id and x.mark = 'edit';
  version := c.version;
  perform note_change(p_site, p_id, p_who, 'edit', p_why, before, json_build_object('text', p_src)::text);
  perform search_again(p_site, p_id);
  if c.status = 1 then
    seq := tell_updated(c, p_webhook);
    perform replace_event_words(p_site, channel, 'comment', p_id, c.created_at, comment_json(c), null);
  end if;
  insert into moderation_action (site_id, who, name, action, why, filter, state, total, done)
  values (p_site, p_who, p_name, 'edit', p_why, '', 'done', 1, 1) returning id into action;
  perform note_step(p_site, action, 'comment:' || p_id, 'edit', p_name,
                    json_build_object('status', c.status, 'edit', true)::text, version, state);
  -- Whoever reads the log can undo it by the number of the action.
  perform record_audit(p_site, p_who, p_name, 'comment.edited', 'comment:' || p_id,
                       json_build_object('action', action)::jsonb);
  return next;
end
$$;

-- Undo that, with the comment and its channel locked; c is the comment, p_step what was noted. Gives the channel's number,
-- null where the text before was forgotten.
create or replace function undo_staff_edit(c comment, p_webhook boolean) returns bigint language plpgsql as $$
declare
  was json;
  seq bigint;
begin
  select nullif(x.before, '')::json into was from comment_change x
  where x.site_id = c.site_id and x.comment_id = c.id and x.deed = 'edit' order by x.id desc limit 1;
  if was ->> 'html' is null then
    return null;
  end if;
  update comment x set src = was ->> 'text', html = was ->> 'html', edited_at = (was ->> 'edited')::timestamptz,
    modified_at = now(), version = x.version + 1
  where x.site_id = c.site_id and x.id = c.id returning * into c;
  if was ->> 'revision' is not null then
    insert into comment_revision (site_id, comment_id, src, html, media)
    values (c.site_id, c.id, was -> 'revision' ->> 'text', was -> 'revision' ->> 'html', was -> 'revision' ->> 'media')
    on conflict do nothing;
    perform mark_comment(c.site_id, c.id, '{"marks":["edit"]}');
  end if;
  perform search_again(c.site_id, c.id);
  if c.status <> 1 then
    return (select x.seq from channel x where x.site_id = c.site_id and x.id = c.channel_id);
  end if;
  seq := tell_updated(c, p_webhook);
  perform replace_event_words(c.site_id, c.channel_id, 'comment', c.id, c.created_at, comment_json(c), null);
  return seq;
end
$$;

-- Decide on a comment by a link of mail. Raises CK404 where it is not there, and CK409 where it is not as the mail showed
-- it: then the link stays unused.
create or replace function decide_by_mail(
  p_site int, p_id bigint, p_version int, p_deed text, p_action bigint, p_webhook boolean
) returns table (seq bigint, channel bigint) language plpgsql as $$
declare
  made record;
begin
  select * into made from decide_comment(p_site, p_id, p_version, p_deed, p_action, 'mail', '', '', p_webhook);
  if made.outcome = 'conflict' then
    raise exception using errcode = 'CK409', message = 'changed';
  elsif made.outcome = 'gone' then
    raise exception using errcode = 'CK404', message = 'comment';
  end if;
  return query select made.seq, made.channel;
end
$$;

-- The channel of a comment, for those who are told of items by section.
create or replace function comment_item_channel(p_site int, p_id bigint) returns bigint language sql stable as $$
  select c.channel_id from comment c where c.site_id = p_site and c.id = p_id
$$;
