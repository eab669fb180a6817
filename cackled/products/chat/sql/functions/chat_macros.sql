-- Macros: several things that operators do with a conversation at one go.
-- cackled: revision 1

-- Carry out all steps, or none. p_steps: a JSON list, texts with their HTML. p_seen as that of say_in_chat, for all of it.
-- p_key: the client's own; a run of the same again does nothing. A step that is refused names its place, from 0, before
-- the reason. Colleagues read a note of it. Gives the conversation's seq.
create or replace function run_chat_macro(
  p_site int, p_chat bigint, p_macro bigint, p_account bigint, p_name text, p_key text, p_seen bigint, p_only boolean,
  p_steps text
) returns bigint language plpgsql as $$
declare
  c chat := lock_chat(p_site, p_chat);
  run text := case when p_key = '' then '' else concat('macro ', p_key) end;
  title text;
  one json;
  n int := -1;
begin
  if run <> '' and exists (select from chat_message x where x.site_id = p_site and x.chat_id = p_chat
      and x.sender = 'operator' and x.key = run) then
    return (select x.seq from channel x where x.site_id = p_site and x.id = c.channel_id);
  end if;
  if p_seen is not null and exists (
      select from chat_message x where x.site_id = p_site and x.chat_id = p_chat and x.seq > p_seen and x.kind = 'text'
        and (x.sender <> 'operator' or x.account_id is distinct from p_account)) then
    raise exception using errcode = 'CK409', message = 'newer-messages';
  end if;
  for one in select x from json_array_elements(p_steps::json) x loop
    n := n + 1;
    begin
      case one ->> 'do'
        when 'reply' then
          perform say_in_chat(p_site, p_chat, 'operator', null, p_account, p_name, null, '', one ->> 'text',
                              one ->> 'html', null, p_only, '[]', '{}');
        when 'note' then
          perform note_in_chat(p_site, p_chat, p_account, p_name, one ->> 'text');
        when 'label' then
          perform label_chat(p_site, p_chat, (
            select array_agg(y.label order by y.label) from (
              select unnest(x.labels) as label from chat x where x.site_id = p_site and x.id = p_chat
              union select json_array_elements_text(one -> 'labels') order by label limit 20) y));
        when 'take' then
          perform take_chat(p_site, p_chat, p_account, false);
        when 'transfer' then
          perform hand_over_chat(p_site, p_chat, (one ->> 'member')::bigint, (one ->> 'department')::bigint,
                                 'transferred');
        when 'snooze' then
          -- Who does something with what is offered to them has it.
          if exists (select from chat x where x.site_id = p_site and x.id = p_chat and x.assignee = p_account) then
            perform take_chat(p_site, p_chat, p_account, false);
          end if;
          perform snooze_chat(p_site, p_chat, now() + make_interval(secs => (one ->> 'seconds')::int));
        when 'close' then
          if exists (select from chat x where x.site_id = p_site and x.id = p_chat and x.state in ('closed', 'spam')) then
            raise exception using errcode = 'CK409', message = 'chat-closed';
          end if;
          perform close_chat(p_site, p_chat, 'operator', 'closed', one ->> 'reason');
        when 'spam' then
          perform close_chat(p_site, p_chat, 'operator', 'spam', '');
      end case;
    exception when sqlstate 'CK403' or sqlstate 'CK404' or sqlstate 'CK409' then
      raise exception using errcode = sqlstate, message = concat(n, ' ', sqlerrm);
    end;
  end loop;
  update chat_macro x set uses = x.uses + 1 where x.site_id = p_site and x.id = p_macro returning x.name into title;
  insert into chat_message (site_id, chat_id, seq, kind, sender, account_id, author_name, key, text)
  select p_site, p_chat, greatest(x.said_visitor, x.said_operator), 'note', 'operator', p_account, p_name,
    run, concat('⚙ ', title)
  from chat x where x.site_id = p_site and x.id = p_chat;
  return (select x.seq from channel x where x.site_id = p_site and x.id = c.channel_id);
end
$$;
