-- Votes and reports that an unnoticed ban took out of the counts, so that they come back when it is lifted.
-- cackled: compat 1

create table hushed (
  site_id int not null,
  ban_id bigint not null,
  comment_id bigint not null,
  visitor_id bigint not null,
  is_flag boolean not null,
  primary key (site_id, ban_id, comment_id, visitor_id, is_flag)
);
create index hushed_visitor on hushed (site_id, visitor_id);
alter table hushed enable row level security;
alter table hushed force row level security;
create policy own_site on hushed to cackled_app
  using (site_id = (select app_site())) with check (site_id = (select app_site()));
create policy all_sites on hushed to cackled_system using (true) with check (true);
grant select, insert, update, delete on hushed to cackled_app, cackled_system;
