-- Signed links that were used: each works once. Kept until the link would have run out anyway.
-- cackled: compat 1

create table used_link (
  site_id int not null,
  id bigint not null,
  expires_at timestamptz not null,
  primary key (site_id, id)
);
alter table used_link enable row level security;
alter table used_link force row level security;
create policy own_site on used_link to cackled_app
  using (site_id = (select app_site())) with check (site_id = (select app_site()));
create policy all_sites on used_link to cackled_system using (true) with check (true);
grant select, insert, update, delete on used_link to cackled_app, cackled_system;
create index used_link_expires on used_link (expires_at);
