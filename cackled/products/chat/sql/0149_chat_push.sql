-- Browsers of operators that are told by web push while no console of theirs is open.
-- cackled: compat 1

-- hash: SHA-256 of the endpoint. told_at, told_chat: what the browser was told last, so that it is not told each word.
create table chat_push (
  site_id int not null,
  account_id bigint not null,
  hash bytea not null,
  endpoint text not null,
  p256dh bytea not null,
  auth bytea not null,
  language text not null default '',
  told_at timestamptz,
  told_chat bigint,
  created_at timestamptz not null default now(),
  primary key (site_id, account_id, hash)
);

alter table chat_push enable row level security;
alter table chat_push force row level security;
create policy own_site on chat_push to cackled_app
  using (site_id = (select app_site())) with check (site_id = (select app_site()));
create policy all_sites on chat_push to cackled_system using (true) with check (true);
grant select, insert, update, delete on chat_push to cackled_app, cackled_system;

-- Their bodies are among the functions.
create function push_said() returns trigger language plpgsql as $$ begin return null; end $$;
create trigger push_said after insert on chat_message
  for each row when (new.kind = 'note' or new.kind = 'text' and new.sender = 'visitor') execute function push_said();
create function push_waiting() returns trigger language plpgsql as $$ begin return null; end $$;
create trigger push_waiting after update of state on chat
  for each row when (new.state = 'waiting' and old.state <> 'waiting') execute function push_waiting();
