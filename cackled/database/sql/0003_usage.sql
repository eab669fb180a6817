-- What each site read in a month, in credits, by readPreference.
-- cackled: compat 1

create table usage_month (
  site_id int not null,
  month date not null check (extract(day from month) = 1),
  preference text not null,
  reads bigint not null default 0,
  credits bigint not null default 0,
  primary key (site_id, month, preference)
) with (fillfactor = 70);

alter table usage_month enable row level security;
alter table usage_month force row level security;
create policy own_site on usage_month to cackled_app
  using (site_id = (select app_site())) with check (site_id = (select app_site()));
create policy all_sites on usage_month to cackled_system using (true) with check (true);
grant select, insert, update, delete on usage_month to cackled_app, cackled_system;
