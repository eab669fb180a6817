-- Reports of visitors.
-- cackled: revision 4

-- Each visitor counts once. p_mail: the moderators are written to in a minute of all reports of the comment that there
-- are by then, unless that is due already. Looked for under the lock of the comment's row, so that reports that come at
-- once are one message.
create or replace function flag_comment(
  p_site int, p_id bigint, p_visitor bigint, p_ip inet, p_reason text, p_mail boolean
) returns int language plpgsql as $$
declare
  n int;
  c comment;
  banned text := ban_of(p_site, '', p_visitor, p_ip);
  mail text := format('{"about":"flag","id":"%s"}', p_id);
begin
  if banned = 'ban' then
    raise exception using errcode = 'CK403', message = 'banned';
  end if;
  select * into c from comment x where x.site_id = p_site and x.id = p_id
    and (x.status = 1 or x.visitor_id = p_visitor and (x.status in (0, 2) or x.shadow)) for update;
  if not found then
    raise exception using errcode = 'CK404', message = 'comment';
  end if;
  perform check_writable(p_site, c.channel_id);
  if c.status <> 1 then
    -- Its author sees it where others don't (yet): they are answered as ever, and nobody is told.
    insert into flag (site_id, comment_id, visitor_id, reason, counted) values (p_site, p_id, p_visitor, p_reason, false)
    on conflict do nothing;
    return c.n_flags + 1;
  end if;
  insert into flag (site_id, comment_id, visitor_id, reason, counted)
  values (p_site, p_id, p_visitor, p_reason, banned is null) on conflict do nothing;
  if found and banned is not null then
    return c.n_flags + 1;
  elsif found then
    update comment x set n_flags = x.n_flags + 1, version = x.version + 1 where x.site_id = p_site and x.id = p_id
    returning x.n_flags into n;
    perform tell_queued(c);
    if p_mail and not exists (
      select from outbox x where x.site_id = p_site and x.kind = 'mail' and x.done_at is null and x.dead_at is null
        and x.tries = 0 and x.body = mail
    ) then
      insert into outbox (site_id, kind, body, next_at) values (p_site, 'mail', mail, now() + interval '1 minute');
    end if;
  else
    -- Of somebody whom nobody is to hear it is counted for themselves alone.
    select x.n_flags + (select count(*) from flag f where f.site_id = p_site and f.comment_id = p_id
        and f.visitor_id = p_visitor and not f.counted)
      into n from comment x where x.site_id = p_site and x.id = p_id;
  end if;
  return n;
end
$$;

-- So many reports hide a comment of this site until a moderator decides; 0: never.
create or replace function flags_that_hide(p_site int) returns int language sql stable as $$
  select coalesce((select (r.rules::json ->> 'flags')::int from moderation_rules r where r.site_id = p_site), 0)
$$;

-- Let a comment wait that was reported as often as the site's rules say. In a transaction of its own: the channel's row
-- is locked before the comment's everywhere. Gives the channel and its number; nothing where it stays as it is.
create or replace function hide_reported(p_site int, p_id bigint, p_webhook boolean)
returns table (seq bigint, channel bigint) language plpgsql as $$
declare
  c comment;
  least int := flags_that_hide(p_site);
begin
  select x.channel_id into channel from comment x where x.site_id = p_site and x.id = p_id;
  perform from channel x where x.site_id = p_site and x.id = channel for no key update;
  select * into c from comment x where x.site_id = p_site and x.id = p_id and x.status = 1 for update;
  if not found or least = 0 or c.n_flags < least then
    return;
  end if;
  seq := set_comment_status(p_site, p_id, 0, p_webhook);
  perform mark_comment(p_site, p_id, '{"marks":["flags"]}');
  perform note_change(p_site, p_id, 'rules', 'hold', 'flags', '{"state":"approved"}', '{"state":"pending"}');
  select * into c from comment x where x.site_id = p_site and x.id = p_id;
  perform tell_queued(c);
  return next;
end
$$;
