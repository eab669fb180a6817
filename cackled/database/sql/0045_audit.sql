-- The log of what staff did on a site.
-- cackled: compat 1

-- Append only: nobody changes a row but to forget a name, and rows go with their site.
create table audit (
  site_id int not null,
  id bigint generated always as identity,
  at timestamptz not null default now(),
  -- "account:7", "key:3", "rule:5", "filter", "console".
  actor text not null check (length(actor) <= 60),
  name text not null default '' check (length(name) <= 120),
  action text not null check (length(action) between 1 and 60),
  target text not null default '' check (length(target) <= 200),
  detail jsonb not null default '{}',
  primary key (site_id, id)
);
create index audit_target on audit (site_id, target, id desc);
create index audit_actor on audit (site_id, actor, id desc);
alter table audit enable row level security;
alter table audit force row level security;
create policy own_site on audit to cackled_app
  using (site_id = (select app_site())) with check (site_id = (select app_site()));
create policy all_sites on audit to cackled_system using (true) with check (true);
grant select, insert on audit to cackled_app;
grant select, insert, delete on audit to cackled_system;
grant update (name) on audit to cackled_system;
