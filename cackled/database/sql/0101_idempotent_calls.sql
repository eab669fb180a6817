-- Calls with an Idempotency-Key: what they were answered, so that the same call again is answered, not done.
-- cackled: compat 1

-- slot: a hash of who called and of the key. call: a hash of what was called. answer: encrypted with what only the caller
-- has; null while the call is under way, or was too long to be kept. site_id 0: a call about no site.
create table idempotent_call (
  site_id int not null,
  slot bytea not null,
  call bytea not null,
  answer bytea,
  done boolean not null default false,
  at timestamptz not null default now(),
  primary key (site_id, slot)
);
create index idempotent_call_age on idempotent_call (at);
alter table idempotent_call enable row level security;
alter table idempotent_call force row level security;
create policy own_site on idempotent_call to cackled_app
  using (site_id = (select app_site())) with check (site_id = (select app_site()));
create policy all_sites on idempotent_call to cackled_system using (true) with check (true);
grant select, insert, update, delete on idempotent_call to cackled_app, cackled_system;
