-- Pictures that messages show.
-- cackled: revision 3

-- Give a message its pictures, which nobody sees but at a signed address: those of the conversation are given some. Those
-- that it shows no more are with nothing, and go after a day.
create or replace function chat_files_changed() returns trigger language plpgsql as $$
declare
  named text[];
begin
  if tg_op <> 'INSERT' then
    update media m set item = '', shown = false where m.site_id = old.site_id and m.item = 'chat:' || old.id;
  end if;
  if tg_op <> 'DELETE' then
    named := array(select substr(x ->> 'id', strpos(x ->> 'id', '-') + 1) from json_array_elements(new.files::json) x);
    update media m set item = 'chat:' || new.id, shown = false
    where m.site_id = new.site_id and m.id = any(named) and m.item = ''
      and (m.visitor_id = new.visitor_id or m.account_id = new.account_id);
  end if;
  return null;
end
$$;

create or replace trigger files_added after insert on chat_message
for each row when (new.files <> '[]') execute function chat_files_changed();
create or replace trigger files_changed after update of files on chat_message
for each row when (old.files is distinct from new.files) execute function chat_files_changed();
create or replace trigger files_gone after delete on chat_message
for each row when (old.files <> '[]') execute function chat_files_changed();
