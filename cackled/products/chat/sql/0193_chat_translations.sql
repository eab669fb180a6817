-- Messages in the languages of those who read them, as the site's own translator gave them.
-- cackled: compat 1

-- language: into which; source: from which, '' where nobody said. Of what an operator wrote in their own language and
-- sent in the visitor's: text is what they wrote, written is true. Rows go with the words that they say again.
create table chat_translation (
  site_id int not null,
  message_id bigint not null,
  language text not null,
  source text not null default '',
  text text not null,
  written boolean not null default false,
  created_at timestamptz not null default now(),
  primary key (site_id, message_id, language)
);

alter table chat_translation enable row level security;
alter table chat_translation force row level security;
create policy own_site on chat_translation to cackled_app
  using (site_id = (select app_site())) with check (site_id = (select app_site()));
create policy all_sites on chat_translation to cackled_system using (true) with check (true);
grant select, insert, update, delete on chat_translation to cackled_app, cackled_system;

-- Its body is among the functions.
create function drop_translations() returns trigger language plpgsql as $$ begin return null; end $$;
create trigger reworded after update of text on chat_message
  for each row when (new.text <> old.text) execute function drop_translations();
create trigger removed after delete on chat_message for each row execute function drop_translations();
