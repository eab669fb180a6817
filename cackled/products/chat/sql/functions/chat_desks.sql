-- Operators: who answers what.
-- cackled: revision 2

-- Note a line about an operator in a conversation, with its state told to both sides.
create or replace function chat_line(c chat, p_name text, p_account bigint, p_who text) returns void
language plpgsql as $$
begin
  perform add_message(c, 'event', 'system', null, p_account, p_who, '', '', '', json_build_object('name', p_name)::text);
end
$$;

-- Take a conversation. CK409 where a colleague has it, unless p_over. May be repeated by who has it.
create or replace function take_chat(p_site int, p_chat bigint, p_account bigint, p_over boolean) returns bigint
language plpgsql as $$
declare
  c chat := lock_chat(p_site, p_chat);
  who text := (select d.name from chat_desk d where d.site_id = p_site and d.account_id = p_account);
begin
  if c.state in ('closed', 'spam') then
    raise exception using errcode = 'CK409', message = 'chat-closed';
  elsif c.assignee = p_account and c.state <> 'waiting' then
    return (select x.seq from channel x where x.site_id = p_site and x.id = c.channel_id);
  elsif c.assignee is not null and c.state <> 'waiting' and not p_over then
    raise exception using errcode = 'CK409', message = 'taken';
  end if;
  update chat x set state = case when x.state = 'offline' then x.state else 'open' end, assignee = p_account,
    guests = array_remove(x.guests, p_account), waiting_since = null, accepted_at = coalesce(x.accepted_at, now())
  where x.site_id = p_site and x.id = p_chat returning * into c;
  update chat_desk d set free_since = now() where d.site_id = p_site and d.account_id = p_account;
  perform chat_line(c, 'joined', p_account, coalesce(who, ''));
  return tell_chat(p_site, p_chat, 'chat.assigned');
end
$$;

-- Back to the queue: of a department, or (p_account) handed to a colleague. p_line: what both sides read of it.
create or replace function hand_over_chat(
  p_site int, p_chat bigint, p_account bigint, p_department bigint, p_line text
) returns bigint language plpgsql as $$
declare
  c chat := lock_chat(p_site, p_chat);
  who text;
begin
  if c.state in ('closed', 'spam') then
    raise exception using errcode = 'CK409', message = 'chat-closed';
  end if;
  if p_account is not null then
    select d.name into who from chat_desk d where d.site_id = p_site and d.account_id = p_account;
    if not found then
      raise exception using errcode = 'CK404', message = 'operator';
    end if;
  elsif p_department is not null
      and not exists (select from chat_department d where d.site_id = p_site and d.id = p_department) then
    raise exception using errcode = 'CK404', message = 'department';
  end if;
  update chat x set assignee = p_account, department_id = coalesce(p_department, x.department_id),
    state = case when p_account is not null then 'open' else 'waiting' end,
    waiting_since = case when p_account is null then coalesce(x.waiting_since, now()) end, snoozed_until = null,
    closed_at = null, closed_by = ''
  where x.site_id = p_site and x.id = p_chat returning * into c;
  perform chat_line(c, p_line, p_account, coalesce(who, ''));
  return tell_chat(p_site, p_chat, 'chat.assigned');
end
$$;

-- Open a closed conversation again: with who had it, or in the queue.
create or replace function reopen_chat(p_site int, p_chat bigint) returns bigint language plpgsql as $$
declare
  c chat := lock_chat(p_site, p_chat);
begin
  if c.state not in ('closed', 'spam', 'snoozed') then
    raise exception using errcode = 'CK409', message = 'chat-open';
  end if;
  update chat x set state = case when x.assignee is null then 'waiting' else 'open' end,
    waiting_since = case when x.assignee is null then now() end, closed_at = null, closed_by = '', reason = '',
    snoozed_until = null
  where x.site_id = p_site and x.id = p_chat returning * into c;
  perform chat_line(c, 'reopened', c.assignee, '');
  return tell_chat(p_site, p_chat, 'chat.updated');
end
$$;

-- Ask a colleague to help. May be repeated.
create or replace function invite_to_chat(p_site int, p_chat bigint, p_account bigint) returns bigint
language plpgsql as $$
declare
  c chat := lock_chat(p_site, p_chat);
  who text;
begin
  select d.name into who from chat_desk d where d.site_id = p_site and d.account_id = p_account;
  if not found then
    raise exception using errcode = 'CK404', message = 'operator';
  elsif c.state in ('closed', 'spam') then
    raise exception using errcode = 'CK409', message = 'chat-closed';
  elsif p_account = any(c.guests) or p_account = c.assignee or cardinality(c.guests) >= 10 then
    return (select x.seq from channel x where x.site_id = p_site and x.id = c.channel_id);
  end if;
  update chat x set guests = x.guests || p_account where x.site_id = p_site and x.id = p_chat returning * into c;
  perform chat_line(c, 'invited', p_account, who);
  return tell_chat(p_site, p_chat, 'chat.updated');
end
$$;

-- A colleague who helped goes; who has the conversation gives it back to the queue.
create or replace function leave_chat(p_site int, p_chat bigint, p_account bigint) returns bigint language plpgsql as $$
declare
  c chat := lock_chat(p_site, p_chat);
begin
  if p_account = any(c.guests) then
    update chat x set guests = array_remove(x.guests, p_account) where x.site_id = p_site and x.id = p_chat
    returning * into c;
    perform chat_line(c, 'left', p_account,
      coalesce((select d.name from chat_desk d where d.site_id = p_site and d.account_id = p_account), ''));
    return tell_chat(p_site, p_chat, 'chat.updated');
  elsif c.assignee = p_account and c.state in ('open', 'snoozed') then
    return hand_over_chat(p_site, p_chat, null, null, 'left');
  end if;
  return (select x.seq from channel x where x.site_id = p_site and x.id = c.channel_id);
end
$$;

-- Put an open conversation aside until a time, or until the visitor writes.
create or replace function snooze_chat(p_site int, p_chat bigint, p_until timestamptz) returns bigint
language plpgsql as $$
declare
  c chat := lock_chat(p_site, p_chat);
begin
  if c.state <> 'open' then
    raise exception using errcode = 'CK409', message = 'chat-not-open';
  end if;
  update chat x set state = 'snoozed', snoozed_until = p_until where x.site_id = p_site and x.id = p_chat;
  return tell_chat(p_site, p_chat, 'chat.updated');
end
$$;

create or replace function label_chat(p_site int, p_chat bigint, p_labels text[]) returns bigint language plpgsql as $$
begin
  perform lock_chat(p_site, p_chat);
  update chat x set labels = p_labels where x.site_id = p_site and x.id = p_chat;
  return tell_chat(p_site, p_chat, 'chat.updated');
end
$$;

-- A note for colleagues. No event of the conversation tells of it: the visitor listens there.
create or replace function note_in_chat(p_site int, p_chat bigint, p_account bigint, p_name text, p_text text)
returns table (message text, seq bigint) language plpgsql as $$
#variable_conflict use_column
declare
  c chat := lock_chat(p_site, p_chat);
  m chat_message;
begin
  insert into chat_message (site_id, chat_id, seq, kind, sender, account_id, author_name, text)
  values (p_site, p_chat, greatest(c.said_visitor, c.said_operator), 'note', 'operator', p_account, p_name, p_text)
  returning * into m;
  perform tell_operators(p_site, 'chat.noted', concat('{"id":"', p_chat, '","seq":', m.seq, '}'));
  return query select message_json(m), m.seq;
end
$$;

-- Give the conversation that waits longest to the operator who has been free longest and has room. One at a time; gives
-- the conversation, the operator and the channel, or no row. Skips what somebody else is taking at this moment.
create or replace function route_chat(p_site int)
returns table (chat bigint, account bigint, channel bigint, seq bigint) language plpgsql as $$
#variable_conflict use_column
declare
  c chat;
  d chat_desk;
begin
  for c in
    select x.* from chat x where x.site_id = p_site and x.state = 'waiting' order by x.waiting_since, x.id limit 50
  loop
    select x.* into d from chat_desk x
    where x.site_id = p_site and x.state = 'online' and x.seen_at > now() - interval '60 seconds'
      and (c.department_id is null or x.departments = '{}' or c.department_id = any(x.departments))
      and (select count(*) from chat y where y.site_id = p_site and y.assignee = x.account_id and y.state = 'open')
          < x.capacity
    order by c.language <> '' and x.languages <> '{}' and not c.language = any(x.languages), x.free_since, x.account_id
    limit 1 for no key update skip locked;
    if found then
      perform from channel h where h.site_id = p_site and h.id = c.channel_id for no key update skip locked;
      if found and exists (select from chat x where x.site_id = p_site and x.id = c.id and x.state = 'waiting') then
        seq := take_chat(p_site, c.id, d.account_id, false);
        return query select c.id, d.account_id, c.channel_id, seq;
        return;
      end if;
    end if;
  end loop;
end
$$;

-- What was put aside and is due is open again; one at a time, gives how many.
create or replace function wake_chats() returns bigint language plpgsql as $$
declare
  c chat;
  n bigint := 0;
begin
  for c in select x.* from chat x where x.snoozed_until < now() and x.state = 'snoozed' order by x.snoozed_until limit 1
  loop
    perform reopen_chat(c.site_id, c.id);
    n := n + 1;
  end loop;
  return n;
end
$$;
