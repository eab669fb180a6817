-- Where those who work on a site are told what waits for them, live. The number is random: whoever knows it may listen.
-- cackled: compat 1

create table staff_channel (
  site_id int primary key,
  channel_id bigint not null,
  created_at timestamptz not null default now()
);
alter table staff_channel enable row level security;
alter table staff_channel force row level security;
create policy own_site on staff_channel to cackled_app
  using (site_id = (select app_site())) with check (site_id = (select app_site()));
create policy all_sites on staff_channel to cackled_system using (true) with check (true);
grant select, insert, update, delete on staff_channel to cackled_app, cackled_system;
