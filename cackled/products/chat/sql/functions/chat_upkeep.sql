-- How conversations forget a visitor, follow one who signs in, and end.
-- cackled: revision 4

-- What a visitor said and was asked is gone; what operators said stays, in conversations of nobody.
create or replace function erase_chats(p_site int, p_visitor bigint, p_most int)
returns table (channel bigint, seq bigint) language plpgsql as $$
#variable_conflict use_column
declare
  c chat;
  m chat_message;
  n int := 0;
begin
  perform erase_alone(p_site);
  for c in
    select x.* from chat x where x.site_id = p_site and x.visitor_id = p_visitor and x.key <> 'erased:' || x.id
    order by x.id limit p_most
  loop
    c := lock_chat(p_site, c.id);
    for m in
      update chat_message x set text = '', html = '', files = '[]', author_name = '', deleted = true, edited_at = now()
      where x.site_id = p_site and x.chat_id = c.id and x.sender = 'visitor' returning *
    loop
      perform replace_event_words(p_site, c.channel_id, 'message', m.id, m.created_at - interval '1 minute',
                                  message_json(m), null);
      perform announce(p_site, c.channel_id, advance_seq(p_site, c.channel_id), 'message.updated',
                       concat('{"message":', message_json(m), ',"chat":"', c.id, '"}'), false);
    end loop;
    update chat x set key = 'erased:' || x.id, name = '', mail = '', agent = '', address = null, fields = '{}',
      attributes = '{}', tags = '{}', trail = '[]', referrer = '', opinion = '', language = '', person = '', country = ''
    where x.site_id = p_site and x.id = c.id;
    seq := close_chat(p_site, c.id, 'system', 'closed', 'erased');
    return query select c.channel_id, seq;
    n := n + 1;
  end loop;
  if n >= p_most then
    return query select null::bigint, null::bigint;
  end if;
end
$$;

-- A guest's conversations follow them when they sign in.
create or replace function carry_chats(p_site int, p_guest bigint, p_visitor bigint, p_most int)
returns table (channel bigint, seq bigint) language plpgsql as $$
#variable_conflict use_column
declare
  n int;
begin
  with mine as (
    select x.id from chat x where x.site_id = p_site and x.visitor_id = p_guest
      and not exists (select from chat y where y.site_id = p_site and y.visitor_id = p_visitor and y.key = x.key)
    order by x.id limit p_most for no key update
  ), said as (
    update chat_message m set visitor_id = p_visitor from mine s
    where m.site_id = p_site and m.chat_id = s.id and m.visitor_id = p_guest
  )
  update chat x set visitor_id = p_visitor from mine s where x.site_id = p_site and x.id = s.id;
  get diagnostics n = row_count;
  if n >= p_most then
    return query select null::bigint, null::bigint;
  end if;
end
$$;
