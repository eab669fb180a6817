-- Operators who have no console open are told by web push.
-- cackled: revision 1

-- Tell operators of a conversation, each at most twice a minute of the same one, and none whose console was open within
-- 40 seconds. p_what: waiting (all who are online and whom it suits), message (who has it, who helps) or mention (p_to).
create or replace function push_operators(p_site int, p_chat bigint, p_what text, p_to bigint[]) returns void
language plpgsql as $$
begin
  if not exists (select from chat_push x where x.site_id = p_site) then
    return;
  end if;
  with due as (
    update chat_push p set told_at = now(), told_chat = p_chat
    from chat c, chat_desk d
    where p.site_id = p_site and c.site_id = p_site and c.id = p_chat
      and d.site_id = p_site and d.account_id = p.account_id and d.seen_at < now() - interval '40 seconds'
      and case p_what when 'mention' then d.account_id = any(p_to)
        when 'message' then d.account_id = c.assignee or d.account_id = any(c.guests)
        else d.state = 'online' and chat_suits(c, d) end
      and (p_what = 'mention' or p.told_at is null or p.told_chat is distinct from p_chat
        or p.told_at < now() - interval '30 seconds')
    returning p.account_id
  )
  insert into outbox (site_id, kind, body)
  select distinct p_site, 'chat-push',
    json_build_object('what', p_what, 'chat', p_chat::text, 'account', due.account_id)::text
  from due;
end
$$;

-- The operators whose name stands behind an at sign in a note, as a word.
create or replace function mentioned(p_site int, p_text text) returns bigint[] language sql stable as $$
  select coalesce(array_agg(d.account_id), '{}') from chat_desk d
  where d.site_id = p_site and d.name <> '' and position('@' || lower(d.name) in lower(p_text)) > 0
    and lower(p_text) ~ ('(^|[[:space:](])@' || regexp_replace(lower(d.name), '([^[:alnum:] ])', '\\\1', 'g') || '(?![[:alnum:]_])')
$$;

-- A visitor said something, or an operator noted it.
create or replace function push_said() returns trigger language plpgsql as $$
declare
  c chat;
  called bigint[];
begin
  if new.kind = 'note' then
    if position('@' in new.text) > 0 then
      called := array_remove(mentioned(new.site_id, new.text), new.account_id);
      if cardinality(called) > 0 then
        perform push_operators(new.site_id, new.chat_id, 'mention', called);
        perform tell_operators(new.site_id, 'chat.mentioned', json_build_object(
          'id', new.chat_id::text, 'by', new.author_name,
          'members', (select json_agg('account:' || x) from unnest(called) x))::text);
      end if;
    end if;
    return null;
  end if;
  if not exists (select from chat_push x where x.site_id = new.site_id) then
    return null;
  end if;
  select * into c from chat x where x.site_id = new.site_id and x.id = new.chat_id;
  if c.state in ('waiting', 'offline') and c.assignee is null then
    perform push_operators(new.site_id, new.chat_id, 'waiting', '{}');
  elsif c.assignee is not null and c.state in ('open', 'snoozed', 'offline') then
    perform push_operators(new.site_id, new.chat_id, 'message', '{}');
  end if;
  return null;
end
$$;

-- Somebody waits again.
create or replace function push_waiting() returns trigger language plpgsql as $$
begin
  perform push_operators(new.site_id, new.id, 'waiting', '{}');
  return null;
end
$$;
