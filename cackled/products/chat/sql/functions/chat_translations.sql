-- Translations of messages.
-- cackled: revision 1

-- A message says something else, or is gone: so are its translations.
create or replace function drop_translations() returns trigger language plpgsql as $$
begin
  delete from chat_translation x where x.site_id = old.site_id and x.message_id = old.id;
  return null;
end
$$;
