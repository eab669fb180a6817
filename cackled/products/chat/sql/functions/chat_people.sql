-- Visitors whom their site vouches for, and letters.
-- cackled: revision 3

-- The site vouches for the visitor of a conversation: p_person is its own id of them, p_visitor their number here.
create or replace function identify_chat(
  p_site int, p_chat bigint, p_visitor bigint, p_person text, p_name text, p_mail text
) returns bigint language plpgsql as $$
declare
  c chat := lock_chat(p_site, p_chat);
begin
  if c.person not in ('', p_person) and c.visitor_id <> p_visitor then
    raise exception using errcode = 'CK409', message = 'other-person';
  end if;
  update chat_message m set visitor_id = p_visitor
  where m.site_id = p_site and m.chat_id = p_chat and m.visitor_id = c.visitor_id and c.visitor_id <> p_visitor;
  update chat x set visitor_id = p_visitor, person = p_person,
    key = case when exists (
        select from chat y where y.site_id = p_site and y.visitor_id = p_visitor and y.key = c.key and y.id <> p_chat)
      then concat(p_chat, ':', x.key) else x.key end,
    name = coalesce(nullif(p_name, ''), x.name), mail = coalesce(nullif(p_mail, ''), x.mail)
  where x.site_id = p_site and x.id = p_chat;
  return tell_chat(p_site, p_chat, 'chat.updated');
end
$$;

-- Its visitor signs out: their tokens of the conversation end, and it can't be opened again. With those they may listen in
-- its channel: so it goes on in another one (p_channel), which they don't open, and that channel has nothing any more.
create or replace function end_chat(p_site int, p_chat bigint, p_channel bigint) returns bigint language plpgsql as $$
declare
  c chat := lock_chat(p_site, p_chat);
  s bigint;
begin
  update chat x set tokens = x.tokens + 1, ended = true, key = 'ended:' || x.id
  where x.site_id = p_site and x.id = p_chat;
  s := close_chat(p_site, p_chat, 'visitor', 'closed', 'logout');
  -- Their numbers stay, so that nobody sees a gap.
  update event e set type = 'channel.updated', data = '{}'
  where e.site_id = p_site and e.channel_id = c.channel_id and e.seq < s;
  s := advance_seq(p_site, c.channel_id);
  perform announce(p_site, c.channel_id, s, 'chat.ended', concat('{"id":"', p_chat, '"}'), false);
  delete from channel x where x.site_id = p_site and x.id = c.channel_id;
  -- The numbers of messages are those of its channel, and go on.
  perform open_channel(p_site, 'chat', p_channel, concat(p_chat, '.', c.tokens + 1), '', '');
  update channel x set seq = s where x.site_id = p_site and x.id = p_channel;
  update chat x set channel_id = p_channel where x.site_id = p_site and x.id = p_chat;
  return s;
end
$$;

-- The same, as releases of before call it.
create or replace function end_chat(p_site int, p_chat bigint) returns bigint language sql as $$
  select end_chat(p_site, p_chat, (random() * 4611686018427387000)::bigint)
$$;

-- The visitor wants the conversation by mail; at most three times.
create or replace function ask_transcript(p_site int, p_chat bigint, p_mail text) returns void language plpgsql as $$
declare
  c chat := lock_chat(p_site, p_chat);
begin
  if c.transcripts >= 3 then
    raise exception using errcode = 'CK409', message = 'transcripts';
  end if;
  update chat x set transcripts = x.transcripts + 1 where x.site_id = p_site and x.id = p_chat;
  insert into outbox (site_id, kind, body)
  values (p_site, 'chat-mail', json_build_object('about', 'transcript', 'chat', p_chat::text, 'mail', p_mail)::text);
end
$$;

-- Answers that their visitor has not read for so long as the site says go out by mail. One conversation at a time; gives
-- the site, or no row.
create or replace function mail_answers() returns table (site int) language plpgsql as $$
#variable_conflict use_column
declare
  c chat;
begin
  select x.* into c from chat x
  where x.mail <> '' and x.mail_seconds > 0 and x.said_operator > x.seen_visitor and x.said_operator > x.mailed
    and x.modified_at < now() - make_interval(secs => x.mail_seconds) and x.state <> 'spam' and not x.ended
  order by x.modified_at limit 1 for no key update skip locked;
  if found then
    update chat x set mailed = c.said_operator where x.site_id = c.site_id and x.id = c.id;
    insert into outbox (site_id, kind, body) values (c.site_id, 'chat-mail', json_build_object(
      'about', 'answer', 'chat', c.id::text, 'after', greatest(c.mailed, c.seen_visitor), 'mail', '')::text);
    return query select c.site_id;
  end if;
end
$$;
