-- What was written lately on sites that look for copies and bursts, for the other processes: hashes, no words.
-- cackled: compat 1

create table recent_text (
  site_id int not null,
  id bigint generated always as identity,
  process bigint not null,
  visitor_id bigint not null,
  hashes bigint[] not null,
  created_at timestamptz not null default now(),
  primary key (site_id, id)
);
create index recent_text_age on recent_text (created_at);
alter table recent_text enable row level security;
alter table recent_text force row level security;
create policy own_site on recent_text to cackled_app
  using (site_id = (select app_site())) with check (site_id = (select app_site()));
create policy all_sites on recent_text to cackled_system using (true) with check (true);
grant select, insert, update, delete on recent_text to cackled_app, cackled_system;
