-- Addresses of conversations are shortened where the site wants that, as those of comments.
-- cackled: compat 1

create function truncate_chat_address() returns trigger language plpgsql as $$
begin
  if exists (select from privacy_rule r where r.site_id = new.site_id and r.truncated) then
    new.address := truncated_address(new.address);
  end if;
  return new;
end
$$;
create trigger truncate_chat_address before insert or update of address on chat
  for each row execute function truncate_chat_address();
