-- What visitors and operators do in conversations. Each function locks the conversation's channel first.
-- cackled: revision 10

-- A conversation, locked with its channel for the rest of the transaction.
create or replace function lock_chat(p_site int, p_chat bigint) returns chat language plpgsql as $$
declare
  c chat;
  there bigint;
begin
  select x.channel_id into there from chat x where x.site_id = p_site and x.id = p_chat;
  if found then
    perform from channel x where x.site_id = p_site and x.id = there for no key update;
    select * into c from chat x where x.site_id = p_site and x.id = p_chat for no key update;
  end if;
  if not found then
    raise exception using errcode = 'CK404', message = 'chat';
  end if;
  return c;
end
$$;

-- Tell the operators of a site, if any of them listens: that a conversation began or stands otherwise (another state,
-- another operator, labels), never that somebody said something, which is told in the conversation's own channel. Called
-- last, as it locks the row of their channel. The section begins with a character that no page's key has.
create or replace function tell_operators(p_site int, p_type text, p_data text) returns void language plpgsql as $$
declare
  there bigint;
  s bigint;
begin
  select x.channel_id into there from staff_section_channel x
  where x.site_id = p_site and x.sections = array[chr(1) || 'chat'];
  if found then
    s := advance_seq(p_site, there);
    if p_type in ('chat.queued', 'chat.changed') then
      -- Counted with the row locked, by a statement of its own: whoever was told before is in it.
      p_data := (
        select concat(left(p_data, -1), ',"counts":{"waiting":', count(*) filter (where x.state = 'waiting'), ',"open":',
                      count(*) filter (where x.state = 'open'), '}}')
        from chat x where x.site_id = p_site and x.state in ('waiting', 'open'));
    end if;
    perform announce(p_site, there, s, p_type, p_data, false);
  end if;
end
$$;

-- Tell both sides how a conversation stands.
create or replace function tell_chat(p_site int, p_chat bigint, p_type text) returns bigint language plpgsql as $$
declare
  c chat;
  s bigint;
begin
  update chat x set version = x.version + 1, modified_at = now() where x.site_id = p_site and x.id = p_chat
  returning * into c;
  s := advance_seq(p_site, c.channel_id);
  perform announce(p_site, c.channel_id, s, p_type, chat_json(c), false);
  perform tell_row(c, 'chat.changed');
  return s;
end
$$;

-- Write a message. p_key: the client's own; the same again gives what was written first (old). p_event: JSON text of a
-- line that nobody said, such as that an operator joined.
create or replace function add_message(
  c chat, p_kind text, p_sender text, p_visitor bigint, p_account bigint, p_name text, p_key text, p_text text,
  p_html text, p_event text, p_files text, p_quick text[]
) returns chat_message language plpgsql as $$
declare
  m chat_message;
begin
  insert into chat_message (site_id, chat_id, seq, kind, sender, visitor_id, account_id, author_name, key, text, html,
                            event, files, quick)
  values (c.site_id, c.id, advance_seq(c.site_id, c.channel_id), p_kind, p_sender, p_visitor, p_account, p_name, p_key,
          p_text, p_html, p_event, p_files, p_quick)
  returning * into m;
  update chat x set messages = x.messages + 1, modified_at = now(), version = x.version + 1,
    said_visitor = case when p_sender = 'visitor' then m.seq else x.said_visitor end,
    said_operator = case when p_sender in ('operator', 'bot') then m.seq else x.said_operator end,
    seen_visitor = case when p_sender = 'visitor' then m.seq else x.seen_visitor end,
    seen_operator = case when p_sender in ('operator', 'bot') then m.seq else x.seen_operator end,
    answered_at = case when p_sender = 'operator' then coalesce(x.answered_at, now()) else x.answered_at end,
    -- A bot has half a minute for each word of its visitor.
    offered_at = case when p_sender in ('operator', 'bot') then null
      when p_sender = 'visitor' and x.bot and x.state = 'open' then coalesce(x.offered_at, now())
      else x.offered_at end,
    passed = case when p_sender = 'operator' then '{}' else x.passed end,
    -- Whoever writes again is waited for no longer.
    state = case when p_sender = 'visitor' and x.state = 'snoozed' then 'open' else x.state end,
    snoozed_until = case when p_sender = 'visitor' then null else x.snoozed_until end
  where x.site_id = c.site_id and x.id = c.id;
  perform announce(c.site_id, c.channel_id, m.seq, 'message.created',
                   concat('{"message":', message_json(m), ',"chat":"', c.id, '"}'), false);
  return m;
end
$$;

-- The same, as releases of before call it.
create or replace function add_message(
  c chat, p_kind text, p_sender text, p_visitor bigint, p_account bigint, p_name text, p_key text, p_text text,
  p_html text, p_event text
) returns chat_message language sql as $$
  select add_message(c, p_kind, p_sender, p_visitor, p_account, p_name, p_key, p_text, p_html, p_event, '[]', '{}')
$$;

-- Whether an address of mail is banned, or its domain.
create or replace function is_mail_banned(p_site int, p_mail text) returns boolean language sql stable as $$
  select p_mail <> '' and exists (
    select from ban b where b.site_id = p_site and (b.until is null or b.until > now()) and b.kind in ('mail', 'domain')
      and b.value = case b.kind when 'domain' then split_part(lower(p_mail), '@', 2)
        else regexp_replace(lower(p_mail), '[+][^@]*@', '@') end)
$$;

-- Begin a conversation, with its first message where there is one. The same key of the same visitor again gives the
-- conversation that it began. p_offline: nobody is there, it waits for an answer by mail.
create or replace function start_chat(
  p_site int, p_chat bigint, p_channel bigint, p_visitor bigint, p_key text, p_ip inet, p_offline boolean, p_about text,
  p_text text, p_html text
) returns table (chat bigint, channel bigint, seq bigint, state text, place int) language plpgsql as $$
#variable_conflict use_column
declare
  c chat;
  about json := p_about::json;
  bot boolean := coalesce((about ->> 'bot')::boolean, false);
begin
  perform pg_advisory_xact_lock(1667329383, hashtext(concat(p_site, ' ', p_visitor, ' ', p_key)));
  select * into c from chat x where x.site_id = p_site and x.visitor_id = p_visitor and x.key = p_key;
  if not found then
    if is_banned(p_site, '', p_visitor, p_ip) or is_mail_banned(p_site, about ->> 'mail') then
      raise exception using errcode = 'CK403', message = 'banned';
    end if;
    -- Many visitors may share an address; more than twenty open conversations of one are a flood.
    if (select count(*) from chat x where x.site_id = p_site and x.visitor_id = p_visitor
        and x.state not in ('closed', 'spam')) >= 3
      or (p_ip is not null and (select count(*) from chat x where x.site_id = p_site and x.address = p_ip
        and x.state not in ('closed', 'spam')) >= 20) then
      raise exception using errcode = 'CK409', message = 'chats';
    end if;
    perform open_channel(p_site, 'chat', p_channel, p_chat::text, '', '');
    insert into chat (site_id, id, channel_id, visitor_id, key, state, department_id, name, mail, language, agent,
                      address, fields, attributes, trail, referrer, consent, keep_days, waiting_since, offline,
                      mail_seconds, offer_seconds, skills, bot, offered_at, country)
    values (p_site, p_chat, p_channel, p_visitor, p_key,
            case when p_offline then 'offline' when bot then 'open' else 'waiting' end,
            (select d.id from chat_department d where d.site_id = p_site and d.id::text = about ->> 'department'),
            about ->> 'name', about ->> 'mail', about ->> 'language', about ->> 'agent', p_ip,
            (about -> 'fields')::text, (about -> 'attributes')::text, (about -> 'trail')::text, about ->> 'referrer',
            (about ->> 'consent')::boolean, (about ->> 'keep_days')::int, case when not p_offline and not bot then now() end, p_offline,
            coalesce((about ->> 'mail_seconds')::int, 0), coalesce((about ->> 'offer_seconds')::int, 0),
            coalesce((select d.skills from chat_department d where d.site_id = p_site and d.id::text = about ->> 'department'),
                     '{}'),
            bot and not p_offline, case when bot and not p_offline then now() end,
            coalesce(left(about ->> 'country', 2), ''))
    returning * into c;
    if p_text <> '' then
      perform add_message(c, 'text', 'visitor', p_visitor, null, c.name, 'start', p_text, p_html, '');
      select * into c from chat x where x.site_id = p_site and x.id = p_chat;
    end if;
    perform tell_row(c, 'chat.queued');
  end if;
  return query select c.id, c.channel_id, (select h.seq from channel h where h.site_id = p_site and h.id = c.channel_id),
    c.state, chat_place(c);
end
$$;

-- Why a message is refused, as SQLSTATE and reason; null: it is not. See say_in_chat.
create or replace function message_refusal(
  c chat, p_sender text, p_visitor bigint, p_account bigint, p_ip inet, p_seen bigint, p_only boolean
) returns text language plpgsql stable as $$
begin
  if c.state in ('closed', 'spam') then
    return 'CK409 chat-closed';
  elsif p_sender = 'bot' and c.assignee is not null then
    return 'CK409 not-assignee';
  elsif p_sender = 'visitor' and (is_banned(c.site_id, '', p_visitor, p_ip) or is_mail_banned(c.site_id, c.mail)) then
    return 'CK403 banned';
  elsif p_only and p_sender = 'operator' and c.assignee is not null and c.assignee <> p_account
      and p_account <> all(c.guests) then
    return 'CK409 not-assignee';
  -- The newest of each side is known with the conversation: mostly nothing is to be looked for.
  elsif p_seen is not null and greatest(c.said_visitor, c.said_operator) > p_seen and exists (
      select from chat_message x where x.site_id = c.site_id and x.chat_id = c.id and x.seq > p_seen and x.kind = 'text'
        and (x.sender <> p_sender or x.account_id is distinct from p_account)) then
    return 'CK409 newer-messages';
  end if;
  return null;
end
$$;

-- Say something. p_sender: visitor, operator or bot. p_seen: up to which seq an operator had seen the conversation
-- (null: it does not matter); what the other side or a colleague said after it raises CK409. p_only: none but the
-- assignee may answer. old: it was said before, with the same key.
create or replace function say_in_chat(
  p_site int, p_chat bigint, p_sender text, p_visitor bigint, p_account bigint, p_name text, p_ip inet, p_key text,
  p_text text, p_html text, p_seen bigint, p_only boolean, p_files text, p_quick text[]
) returns table (message text, seq bigint, old boolean) language plpgsql as $$
#variable_conflict use_column
declare
  c chat := lock_chat(p_site, p_chat);
  was chat := c;
  m chat_message;
  refused text;
begin
  if p_key <> '' then
    select * into m from chat_message x
    where x.site_id = p_site and x.chat_id = p_chat and x.sender = p_sender and x.key = p_key and x.key <> '';
    if found then
      if m.edited_at is null and not m.deleted and m.text <> p_text then
        raise exception using errcode = 'CK422', message = 'key-reused';
      end if;
      return query select message_json(m), m.seq, true;
      return;
    end if;
  end if;
  refused := message_refusal(c, p_sender, p_visitor, p_account, p_ip, p_seen, p_only);
  if refused is not null then
    raise exception using errcode = left(refused, 5), message = substr(refused, 7);
  end if;
  if p_sender = 'operator' and (c.state = 'waiting' or c.assignee is null or c.offered_at is not null) then
    -- Who answers first has it.
    perform join_chat(c, p_account);
    select * into c from chat x where x.site_id = p_site and x.id = p_chat;
    perform announce(p_site, c.channel_id, advance_seq(p_site, c.channel_id), 'chat.assigned', chat_json(c), false);
  end if;
  m := add_message(c, 'text', p_sender, p_visitor, p_account, p_name, p_key, p_text, p_html, '', p_files, p_quick);
  select * into c from chat x where x.site_id = p_site and x.id = p_chat;
  -- Messages alone lock nothing that other conversations need.
  if (was.state, was.assignee, was.waiting_since, is_offered(was))
      is distinct from (c.state, c.assignee, c.waiting_since, is_offered(c)) then
    perform tell_row(c, 'chat.changed');
  end if;
  return query select message_json(m), m.seq, false;
end
$$;

-- Say several things as one change, each in a conversation of its own: as `say_in_chat` would say each, with a result or a
-- refusal (SQLSTATE and reason) of its own, in the order given. A visitor is known by the number of their token
-- (p_tokens, null for others), and named as the conversation has them. No row is waited for, so that nobody waits for
-- this while it waits. refused is 'alone' where a row is locked at the moment, or where more than the message changes
-- (an operator takes what waits, a visitor wakes what sleeps): nothing was done with it, `say_in_chat` says it.
create or replace function say_in_chats(
  p_site int, p_chats bigint[], p_tokens int[], p_senders text[], p_accounts bigint[], p_names text[], p_ips inet[],
  p_keys text[], p_texts text[], p_htmls text[], p_seens bigint[], p_only boolean
) returns table (message text, seq bigint, old boolean, refused text) language plpgsql as $$
#variable_conflict use_column
declare
  c chat;
  m chat_message;
  there bigint;
  who bigint;
begin
  for i in 1 .. cardinality(p_chats) loop
    message := null;
    seq := null;
    old := false;
    refused := null;
    m := null;
    select x.channel_id into there from chat x where x.site_id = p_site and x.id = p_chats[i];
    if not found then
      refused := 'CK404 chat';
    else
      perform from channel x where x.site_id = p_site and x.id = there for no key update skip locked;
      if found then
        select * into c from chat x where x.site_id = p_site and x.id = p_chats[i] for no key update skip locked;
      end if;
      if not found or c.channel_id <> there then
        refused := 'alone';
      elsif p_senders[i] = 'visitor' and p_tokens[i] is distinct from c.tokens then
        refused := 'CK404 chat';
      end if;
    end if;
    if refused is null and p_keys[i] <> '' then
      select * into m from chat_message x
      where x.site_id = p_site and x.chat_id = p_chats[i] and x.sender = p_senders[i] and x.key = p_keys[i] and x.key <> '';
      if found and m.edited_at is null and not m.deleted and m.text <> p_texts[i] then
        refused := 'CK422 key-reused';
      elsif found then
        old := true;
      end if;
    end if;
    if refused is null and not old then
      who := case when p_senders[i] = 'visitor' then c.visitor_id end;
      refused := message_refusal(c, p_senders[i], who, p_accounts[i], p_ips[i], p_seens[i], p_only);
      if refused is null and (c.state = 'snoozed' or p_senders[i] <> 'visitor' and (
          c.state <> 'open' or is_offered(c) or p_senders[i] = 'operator' and c.assignee is null)) then
        refused := 'alone';
      -- As does a push to operators who are away: it is noted in their rows.
      elsif refused is null and p_senders[i] = 'visitor' and exists (
          select from chat_push p join chat_desk d on d.site_id = p.site_id and d.account_id = p.account_id
          where p.site_id = p_site and d.seen_at < now() - interval '40 seconds'
            and (c.assignee is null or d.account_id = c.assignee or d.account_id = any(c.guests))) then
        refused := 'alone';
      end if;
      if refused is null then
        m := add_message(c, 'text', p_senders[i], who, p_accounts[i],
                         case when p_senders[i] = 'visitor' then c.name else p_names[i] end, p_keys[i], p_texts[i],
                         p_htmls[i], '', '[]', '{}');
      end if;
    end if;
    if refused is null then
      message := message_json(m);
      seq := m.seq;
    end if;
    return next;
  end loop;
end
$$;

-- The same, as releases of before call it.
create or replace function say_in_chat(
  p_site int, p_chat bigint, p_sender text, p_visitor bigint, p_account bigint, p_name text, p_ip inet, p_key text,
  p_text text, p_html text, p_seen bigint, p_only boolean
) returns table (message text, seq bigint, old boolean) language sql as $$
  select * from say_in_chat(p_site, p_chat, p_sender, p_visitor, p_account, p_name, p_ip, p_key, p_text, p_html, p_seen,
                            p_only, '[]', '{}')
$$;

-- Change or (p_text null) delete a message of one's own, for so many seconds after it was written.
create or replace function change_message(
  p_site int, p_chat bigint, p_message bigint, p_visitor bigint, p_account bigint, p_text text, p_html text, p_seconds int
) returns table (message text, seq bigint) language plpgsql as $$
#variable_conflict use_column
declare
  c chat := lock_chat(p_site, p_chat);
  m chat_message;
  s bigint;
begin
  select * into m from chat_message x
  where x.site_id = p_site and x.chat_id = p_chat and x.id = p_message and x.kind = 'text' and not x.deleted;
  if not found then
    raise exception using errcode = 'CK404', message = 'message';
  elsif m.visitor_id is distinct from p_visitor or m.account_id is distinct from p_account then
    raise exception using errcode = 'CK403', message = 'author';
  elsif m.created_at < now() - make_interval(secs => p_seconds) then
    raise exception using errcode = 'CK409', message = 'message-old';
  end if;
  update chat_message x set text = coalesce(p_text, ''), html = coalesce(p_html, ''), deleted = p_text is null,
    files = case when p_text is null then '[]' else x.files end, edited_at = now()
  where x.site_id = p_site and x.id = p_message returning * into m;
  s := advance_seq(p_site, c.channel_id);
  -- Neither the log nor what is to be sent keeps the words of before.
  perform replace_event_words(p_site, c.channel_id, 'message', m.id, m.created_at - interval '1 minute', message_json(m),
                              null);
  perform announce(p_site, c.channel_id, s, 'message.updated',
                   concat('{"message":', message_json(m), ',"chat":"', c.id, '"}'), false);
  return query select message_json(m), s;
end
$$;

-- One side has read up to a seq; gives the channel's seq, null where that was known.
create or replace function read_chat(p_site int, p_chat bigint, p_by text, p_seq bigint) returns bigint
language plpgsql as $$
declare
  c chat := lock_chat(p_site, p_chat);
  most bigint := least(p_seq, greatest(c.said_visitor, c.said_operator));
  s bigint;
begin
  if most <= (case p_by when 'visitor' then c.seen_visitor else c.seen_operator end) then
    return null;
  end if;
  update chat x set seen_visitor = case p_by when 'visitor' then most else x.seen_visitor end,
    seen_operator = case p_by when 'operator' then most else x.seen_operator end
  where x.site_id = p_site and x.id = p_chat;
  s := advance_seq(p_site, c.channel_id);
  perform announce(p_site, c.channel_id, s, 'chat.read',
    concat('{"id":"', c.id, '","by":"', p_by, '","seq":', most, '}'), false);
  return s;
end
$$;

-- Close a conversation; closing a closed one is no error.
create or replace function close_chat(p_site int, p_chat bigint, p_by text, p_state text, p_reason text) returns bigint
language plpgsql as $$
declare
  c chat := lock_chat(p_site, p_chat);
begin
  if c.state = 'closed' and p_state = 'closed' then
    return (select x.seq from channel x where x.site_id = p_site and x.id = c.channel_id);
  end if;
  update chat x set state = p_state, closed_at = now(), closed_by = p_by, reason = p_reason, waiting_since = null,
    snoozed_until = null, offered_at = null
  where x.site_id = p_site and x.id = p_chat;
  update chat_desk d set free_since = now() where d.site_id = p_site and d.account_id = c.assignee;
  return tell_chat(p_site, p_chat, 'chat.closed');
end
$$;

-- What the visitor thinks of it, in the end.
create or replace function rate_chat(p_site int, p_chat bigint, p_score int, p_text text) returns bigint
language plpgsql as $$
begin
  perform lock_chat(p_site, p_chat);
  update chat x set score = p_score, opinion = p_text where x.site_id = p_site and x.id = p_chat;
  return tell_chat(p_site, p_chat, 'chat.updated');
end
$$;

-- Where the visitor is now, and what the site says of them: an attribute that is null goes, tags are replaced (null: stay).
-- The newest 30 pages stay. Told in the conversation's own channel, without a word of it.
create or replace function visit_chat(p_site int, p_chat bigint, p_page text, p_attributes text, p_tags text[])
returns void language plpgsql as $$
declare
  c chat := lock_chat(p_site, p_chat);
begin
  update chat x set
    trail = case when p_page is null then x.trail else (
      select json_agg(y.page order by y.n)::text from (
        select z.page, z.n from json_array_elements((x.trail::jsonb || p_page::jsonb)::json) with ordinality z (page, n)
        order by z.n desc limit 30) y) end,
    attributes = case when p_attributes is null then x.attributes
      when octet_length((x.attributes::jsonb || p_attributes::jsonb)::text) > 8000 then x.attributes
      else jsonb_strip_nulls(x.attributes::jsonb || p_attributes::jsonb)::text end,
    tags = coalesce(p_tags, x.tags),
    version = x.version + 1
  where x.site_id = p_site and x.id = p_chat returning * into c;
  perform announce(p_site, c.channel_id, advance_seq(p_site, c.channel_id), 'chat.visited',
                   concat('{"id":"', c.id, '","version":', c.version, '}'), false);
end
$$;

-- The same, as releases of before call it.
create or replace function visit_chat(p_site int, p_chat bigint, p_page text, p_attributes text) returns void
language sql as $$
  select visit_chat(p_site, p_chat, p_page, p_attributes, null)
$$;
