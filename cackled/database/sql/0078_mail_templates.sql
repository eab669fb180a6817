-- What a site's owner says in letters: subject, words at the beginning and at the end, by kind of letter and language.
-- cackled: compat 1

create table mail_template (
  site_id int not null,
  kind text not null check (length(kind) <= 30),
  language text not null check (length(language) <= 10),
  subject text not null default '' check (length(subject) <= 150),
  intro text not null default '' check (length(intro) <= 2000),
  footer text not null default '' check (length(footer) <= 1000),
  changed_at timestamptz not null default now(),
  primary key (site_id, kind, language)
);

alter table mail_template enable row level security;
alter table mail_template force row level security;
create policy own_site on mail_template to cackled_app
  using (site_id = (select app_site())) with check (site_id = (select app_site()));
create policy all_sites on mail_template to cackled_system using (true) with check (true);
grant select, insert, update, delete on mail_template to cackled_app, cackled_system;
