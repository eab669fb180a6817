-- How much operators' consoles are told of conversations, however many there are.
-- cackled: revision 1

-- Tell the operators of a site how a conversation stands. So much in one second is told at once; what comes then is noted,
-- and told by `gather_chats` with the rest. The caller has locked the conversation's channel.
create or replace function tell_row(c chat, p_type text) returns void language plpgsql as $$
declare
  most constant int := 8;
begin
  if not exists (
      select from staff_section_channel x
      join channel h on h.site_id = x.site_id and h.id = x.channel_id
      join event e on e.site_id = h.site_id and e.channel_id = h.id and e.seq = h.seq - most + 1
      where x.site_id = c.site_id and x.sections = array[chr(1) || 'chat'] and e.created_at > now() - interval '1 second')
  then
    perform tell_operators(c.site_id, p_type, chat_row(c, false));
    return;
  end if;
  insert into chat_untold (site_id, chat_id) values (c.site_id, c.id);
  -- Webhooks hear of each.
  if exists (select from webhook_endpoint w where w.site_id = c.site_id and w.enabled) then
    perform queue_webhooks(c.site_id, c.channel_id,
      (select h.seq from channel h where h.site_id = c.site_id and h.id = c.channel_id), p_type,
      array[chat_row(c, false)]);
  end if;
end
$$;

-- Tell the operators of one site of what was noted, at most once a second: so many conversations as they stand now. Where
-- too many are behind, consoles ask for what they show (more). Gives the site, or no row.
create or replace function gather_chats() returns table (site int) language plpgsql as $$
#variable_conflict use_column
declare
  most constant int := 15;
  late constant int := 200;
  one record;
  chats bigint[];
  behind boolean;
  told text;
  counts text;
begin
  for one in
    select y.site_id, x.channel_id from (select distinct u.site_id from chat_untold u) y
    left join staff_section_channel x on x.site_id = y.site_id and x.sections = array[chr(1) || 'chat']
    order by y.site_id
  loop
    -- Nothing is locked before it: whoever holds it waits for nobody.
    perform from channel h where h.site_id = one.site_id and h.id = one.channel_id for no key update;
    if not found then
      delete from chat_untold u where u.site_id = one.site_id;
      continue;
    end if;
    continue when exists (
      select from channel h
      join event e on e.site_id = h.site_id and e.channel_id = h.id and e.seq > h.seq - 50
      where h.site_id = one.site_id and h.id = one.channel_id and e.type = 'chat.gathered'
        and e.created_at > now() - interval '900 milliseconds');
    behind := (select count(*) > late from chat_untold u where u.site_id = one.site_id);
    select array_agg(x.chat_id) into chats from (
      select u.chat_id from chat_untold u where u.site_id = one.site_id group by u.chat_id
      order by case when behind then -max(u.id) else min(u.id) end limit most) x;
    continue when chats is null;
    delete from chat_untold u where u.site_id = one.site_id and (behind or u.chat_id = any(chats));
    -- Read after that, and counted with the row locked: what was noted is in it.
    select concat(',"counts":{"waiting":', count(*) filter (where x.state = 'waiting'), ',"open":',
                  count(*) filter (where x.state = 'open'), '}}')
    into counts from chat x where x.site_id = one.site_id and x.state in ('waiting', 'open');
    select string_agg(concat(left(chat_row(x, false), -1), counts), ',') into told
    from chat x where x.site_id = one.site_id and x.id = any(chats);
    perform announce(one.site_id, one.channel_id, advance_seq(one.site_id, one.channel_id), 'chat.gathered',
      concat('{"rows":[', told, '],"more":', (behind or told is null)::text, '}'), false);
    return query select one.site_id;
    return;
  end loop;
end
$$;
