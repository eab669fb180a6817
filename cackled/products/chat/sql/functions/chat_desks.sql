-- Operators: who answers what.
-- cackled: revision 5

-- Note a line about an operator in a conversation, with its state told to both sides.
create or replace function chat_line(c chat, p_name text, p_account bigint, p_who text) returns void
language plpgsql as $$
begin
  perform add_message(c, 'event', 'system', null, p_account, p_who, '', '', '', json_build_object('name', p_name)::text);
end
$$;

-- An operator has a conversation from now on, and both sides read that they joined. The caller has locked it.
create or replace function join_chat(c chat, p_account bigint) returns void language plpgsql as $$
begin
  update chat x set state = case when x.state = 'offline' then x.state else 'open' end, assignee = p_account,
    guests = array_remove(x.guests, p_account), offered_at = null, offered_by = null, passed = '{}',
    bot = false, waiting_since = null, accepted_at = coalesce(x.accepted_at, now())
  where x.site_id = c.site_id and x.id = c.id;
  update chat_desk d set free_since = now() where d.site_id = c.site_id and d.account_id = p_account;
  perform chat_line(c, 'joined', p_account,
    coalesce((select d.name from chat_desk d where d.site_id = c.site_id and d.account_id = p_account), ''));
end
$$;

-- Take a conversation. CK409 where a colleague has it, unless p_over. May be repeated by who has it.
create or replace function take_chat(p_site int, p_chat bigint, p_account bigint, p_over boolean) returns bigint
language plpgsql as $$
declare
  c chat := lock_chat(p_site, p_chat);
begin
  if c.state in ('closed', 'spam') then
    raise exception using errcode = 'CK409', message = 'chat-closed';
  elsif c.assignee = p_account and c.state <> 'waiting' then
    -- Whoever takes what was offered has it.
    if c.offered_at is not null then
      perform join_chat(c, p_account);
      return tell_chat(p_site, p_chat, 'chat.assigned');
    end if;
    return (select x.seq from channel x where x.site_id = p_site and x.id = c.channel_id);
  elsif c.assignee is not null and c.state <> 'waiting' and not p_over then
    raise exception using errcode = 'CK409', message = 'taken';
  end if;
  perform join_chat(c, p_account);
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
    -- A colleague who does not take it in time gives it back to whoever handed it over, who has it then.
    offered_at = case when p_account is not null and p_line <> 'timeout' then now() end,
    offered_by = case when p_account is not null and p_line = 'transferred' then x.assignee end, bot = false,
    passed = case when p_line in ('timeout', 'lost') then x.passed else '{}' end,
    skills = case when p_department is null then x.skills
      else (select d.skills from chat_department d where d.site_id = p_site and d.id = p_department) end,
    state = case when p_account is not null then 'open' else 'waiting' end,
    -- Who had somebody before waits no longer for it than those who come now.
    waiting_since = case when p_account is null then
      coalesce(x.waiting_since, case when p_line in ('lost', 'timeout') then x.created_at end, now()) end,
    snoozed_until = null,
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
  if c.ended then
    raise exception using errcode = 'CK409', message = 'chat-ended';
  elsif c.state not in ('closed', 'spam', 'snoozed') then
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

-- Whether a conversation is for an operator: by departments, skills, and whether they let it pass lately.
create or replace function chat_suits(c chat, d chat_desk) returns boolean language sql stable as $$
  select (c.department_id is null or d.departments = '{}' or c.department_id = any(d.departments))
    and c.skills <@ d.skills
    and (d.account_id <> all(c.passed) or c.passed_at < now() - interval '5 minutes')
$$;

create or replace function desk_chats(d chat_desk) returns bigint language sql stable as $$
  select count(*) from chat y where y.site_id = d.site_id and y.assignee = d.account_id and y.state = 'open'
$$;

-- Give the conversation that waits longest to the operator who has been free longest, then has fewest, and has room. One
-- at a time; gives the conversation, the operator and the channel, or no row. Skips what somebody else is taking at this
-- moment.
create or replace function route_chat(p_site int)
returns table (chat bigint, account bigint, channel bigint, seq bigint) language plpgsql as $$
#variable_conflict use_column
declare
  c chat;
  d chat_desk;
begin
  for c in
    with rooms as materialized (
      select x.d from (
        select y as d from chat_desk y
        where y.site_id = p_site and y.state = 'online' and y.seen_at > now() - interval '60 seconds') x
      where desk_chats(x.d) < (x.d).capacity
    )
    select x.* from chat x where x.site_id = p_site and x.state = 'waiting'
      and exists (select from rooms r where chat_suits(x, r.d))
    order by x.waiting_since, x.id limit 20
  loop
    select x.* into d from chat_desk x
    where x.site_id = p_site and x.state = 'online' and x.seen_at > now() - interval '60 seconds' and chat_suits(c, x)
      and desk_chats(x) < x.capacity
    order by c.language <> '' and x.languages <> '{}' and split_part(c.language, '-', 1) <> all(x.languages)
        and c.language <> all(x.languages), x.free_since, desk_chats(x), x.account_id
    limit 1 for no key update skip locked;
    -- Counted again with the row locked: the statement before saw what there was when it began.
    if found and desk_chats(d) < d.capacity then
      perform from channel h where h.site_id = p_site and h.id = c.channel_id for no key update skip locked;
      if found and exists (select from chat x where x.site_id = p_site and x.id = c.id and x.state = 'waiting') then
        -- It is offered until the operator does something with it; its visitor is told nothing but that it waits.
        update chat x set state = 'open', assignee = d.account_id, guests = array_remove(x.guests, d.account_id),
          offered_at = now(), offered_by = null, bot = false, waiting_since = null
        where x.site_id = p_site and x.id = c.id;
        update chat_desk x set free_since = now() where x.site_id = p_site and x.account_id = d.account_id;
        seq := tell_chat(p_site, c.id, 'chat.updated');
        return query select c.id, d.account_id, c.channel_id, seq;
        return;
      end if;
    end if;
  end loop;
end
$$;

-- What was offered and not taken in time: back to whoever handed it over, if they are there, else to the queue, and not
-- to the same operator again. What a bot did not answer waits for operators. One at a time; gives the site, or no row.
create or replace function return_offer() returns table (site int) language plpgsql as $$
#variable_conflict use_column
declare
  c chat;
  back bigint;
begin
  for c in
    select x.* from chat x
    where x.offered_at < now() - make_interval(secs => case when x.bot then 30 else x.offer_seconds end)
      and (x.bot or x.offer_seconds > 0) and x.state = 'open' order by x.offered_at limit 20
  loop
    perform from channel h where h.site_id = c.site_id and h.id = c.channel_id for no key update skip locked;
    if found and exists (select from chat x where x.site_id = c.site_id and x.id = c.id and x.state = 'open'
        and x.offered_at is not distinct from c.offered_at and x.assignee is not distinct from c.assignee) then
      back := (
        select d.account_id from chat_desk d where d.site_id = c.site_id and d.account_id = c.offered_by and not d.lost
          and d.account_id <> c.assignee);
      update chat x set passed = case when c.assignee = any(x.passed) then x.passed else x.passed || c.assignee end,
        passed_at = now()
      where x.site_id = c.site_id and x.id = c.id and c.assignee is not null;
      perform hand_over_chat(c.site_id, c.id, back, null, 'timeout');
      return query select c.site_id;
      return;
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
