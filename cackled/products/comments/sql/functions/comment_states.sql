-- The states of comments: 0 pending, 1 approved, 2 spam, 3 rejected, 4 deleted. Every change of one goes through here.
-- cackled: revision 4

-- Change the state of a comment, whose channel's row is locked: what is counted, who is shown, the log, the event and
-- the webhook follow. Gives the number of the channel afterwards. What was not shown before and is not after raises none.
-- With 4 the text is gone from the row; with any but 1 it is gone from the log.
create or replace function set_comment_status(p_site int, p_id bigint, p_to int, p_webhook boolean) returns bigint
language plpgsql as $$
declare
  c comment;
  up comment;
  was int;
  gone bigint[] := '{}';
  roots int := 0;
  tombstone boolean;
  hidden boolean;
  seq bigint;
begin
  select * into c from comment x where x.site_id = p_site and x.id = p_id;
  was := c.status;
  if p_to = 4 then
    delete from comment_search x where x.site_id = p_site and x.comment_id = p_id;
  elsif was = 4 then
    perform search_again(p_site, p_id);
  end if;
  tombstone := c.shown and was <> 1;
  if was = p_to then
    return (select x.seq from channel x where x.site_id = p_site and x.id = c.channel_id);
  end if;
  perform count_state(p_site, 'comment', c.created_at, was, p_to);
  update comment x set status = p_to, shown = (p_to = 1 or x.n_replies > 0), shadow = x.shadow and p_to = 3,
    src = case when p_to = 4 then '' else x.src end, html = case when p_to = 4 then '' else x.html end,
    media = case when p_to = 4 then '' else x.media end,
    version = x.version + 1, modified_at = now()
  where x.site_id = p_site and x.id = p_id returning * into c;
  up := c;
  if p_to = 1 then
    hidden := not tombstone;
    while hidden loop
      if up.parent_id is null then
        roots := 1;
        exit;
      end if;
      update comment x set n_thread = x.n_thread + 1 where x.site_id = p_site and x.id = up.root_id;
      select not x.shown into hidden from comment x where x.site_id = p_site and x.id = up.parent_id;
      update comment x set n_replies = x.n_replies + 1, shown = true
      where x.site_id = p_site and x.id = up.parent_id returning * into up;
    end loop;
    seq := advance_comments(p_site, c.channel_id, 1, roots, -(was = 0)::int);
    -- Where a tombstone stood an update fills it in.
    perform announce(p_site, c.channel_id, seq, case when tombstone then 'comment.updated' else 'comment.created' end,
                     concat('{"comment":', comment_json(c), ',"comments":', visible_comments(p_site, c.channel_id), '}'),
                     p_webhook);
    perform release_shares(p_site, 'comment:' || p_id);
    return seq;
  elsif was <> 1 then
    select x.seq into seq from count_comments(p_site, c.channel_id, 0, 0, 0, (p_to = 0)::int - (was = 0)::int, 0) x;
    return seq;
  end if;
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
  delete from comment_revision x where x.site_id = p_site and x.comment_id = p_id;
  update comment_channel k set pinned = nullif(array_remove(k.pinned, p_id), '{}')
  where k.site_id = p_site and k.channel_id = c.channel_id and p_id = any(k.pinned);
  seq := advance_comments(p_site, c.channel_id, -1, roots, (p_to = 0)::int);
  perform replace_event_words(p_site, c.channel_id, 'comment', p_id, c.created_at, null, scrubbed_comment());
  perform announce(p_site, c.channel_id, seq, 'comment.deleted', format(
    '{"id":"%s","tombstone":%s,"removed":%s,"root":"%s","comments":%s}', p_id, c.shown::text,
    (select coalesce(json_agg(g::text), '[]') from unnest(gone) g), c.root_id,
    visible_comments(p_site, c.channel_id)), p_webhook);
  return seq;
end
$$;

create or replace function advance_comments(p_site int, p_channel bigint, p_visible int, p_root int, p_pending int)
returns bigint language sql as $$
  select seq from count_comments(p_site, p_channel, 1, p_visible, p_root, p_pending, 0)
$$;

-- What is left nowhere of a comment's words once its author, or the law, takes them away.
create or replace function forget_comment_text(p_site int, p_id bigint) returns void language plpgsql as $$
begin
  delete from comment_revision x where x.site_id = p_site and x.comment_id = p_id;
  delete from comment_kept x where x.site_id = p_site and x.comment_id = p_id;
  update comment_mark x set words = '{}' where x.site_id = p_site and x.comment_id = p_id and x.words <> '{}';
  update comment_change x set before = '', after = '' where x.site_id = p_site and x.comment_id = p_id
    and x.deed = 'edit';
end
$$;

-- Add a line to the history of a comment.
create or replace function note_change(
  p_site int, p_id bigint, p_who text, p_deed text, p_why text, p_before text, p_after text
) returns void language sql as $$
  insert into comment_change (site_id, comment_id, who, deed, why, before, after)
  values (p_site, p_id, p_who, p_deed, p_why, p_before, p_after)
$$;

-- Have moderators written to of what waits, in p_seconds (null: they are not), unless that is due already; not of what
-- the filter took, nor of what is unseen on purpose.
create or replace function mail_held(c comment, p_seconds int) returns void language sql as $$
  insert into outbox (site_id, kind, body, next_at)
  select c.site_id, 'mail', format('{"about":"held","id":"%s"}', c.id), now() + make_interval(secs => p_seconds)
  where p_seconds is not null and c.status in (0, 1) and not c.shadow and not exists (
    select from outbox x where x.site_id = c.site_id and x.kind = 'mail' and x.done_at is null and x.dead_at is null
      and x.tries = 0 and x.body like '{"about":"held"%')
$$;

-- Tell moderators who look on that a comment waits.
create or replace function tell_queued(c comment) returns void language sql as $$
  select tell_staff(c.site_id, 'item.queued', format('{"item":"comment:%s","state":"%s"}', c.id,
                                                     status_name(c.status)))
$$;

create or replace function status_name(p_status int) returns text language sql immutable parallel safe as $$
  select (array['pending', 'approved', 'spam', 'rejected', 'deleted'])[p_status + 1]
$$;
