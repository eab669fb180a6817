-- What operators answered a visitor: it is about them, so it is given out to them.
-- cackled: compat 1

create view chat_answer with (security_invoker = true) as
  select c.site_id, c.visitor_id, m.chat_id, m.id, m.seq, m.sender, m.author_name, m.text, m.created_at, m.edited_at
  from chat c join chat_message m on m.site_id = c.site_id and m.chat_id = c.id
  where m.sender in ('operator', 'bot') and m.kind = 'text' and not m.deleted;
grant select on chat_answer to cackled_app, cackled_system;
