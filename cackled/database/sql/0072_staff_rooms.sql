-- Where moderators of sections are told what waits in theirs: a channel for each choice of sections.
-- cackled: compat 1

create table staff_section_channel (
  site_id int not null,
  sections text[] not null,
  channel_id bigint not null,
  created_at timestamptz not null default now(),
  primary key (site_id, sections)
);
alter table staff_section_channel enable row level security;
alter table staff_section_channel force row level security;
create policy own_site on staff_section_channel to cackled_app
  using (site_id = (select app_site())) with check (site_id = (select app_site()));
create policy all_sites on staff_section_channel to cackled_system using (true) with check (true);
grant select, insert, update, delete on staff_section_channel to cackled_app, cackled_system;
