-- The catalog: small tables that every node holds in memory, and the roles.
-- cackled: compat 1

do $$
begin
  if not exists (select from pg_roles where rolname = 'cackled_app') then
    create role cackled_app nologin;
  end if;
  if not exists (select from pg_roles where rolname = 'cackled_system') then
    create role cackled_system nologin;
  end if;
exception when duplicate_object or unique_violation then
  null;  -- another database of this server migrates at the same moment
end
$$;

do $$
begin
  if not pg_has_role(current_user, 'cackled_app', 'member') then
    execute format('grant cackled_app to %I', current_user);
  end if;
  if not pg_has_role(current_user, 'cackled_system', 'member') then
    execute format('grant cackled_system to %I', current_user);
  end if;
end
$$;

create schema if not exists catalog;

create table catalog.site (
  id int primary key check (id > 0),
  name text not null,
  settings jsonb not null default '{}',
  created_at timestamptz not null default now()
);

-- Where a site's pages live: "example.com", "*.example.com", "localhost:*".
create table catalog.domain (
  site_id int not null references catalog.site on delete cascade,
  pattern text not null check (pattern = lower(pattern) and length(pattern) <= 255),
  primary key (site_id, pattern)
);

-- Keys that all nodes share; two random UUIDs are 244 random bits.
create table catalog.secret (
  name text primary key,
  value bytea not null
);
insert into catalog.secret
values ('session', uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));

-- Every change of the catalog wakes every node.
create function catalog.changed() returns trigger language plpgsql as $$
begin
  perform pg_notify('cackled_catalog', '');
  return null;
end
$$;
create trigger changed after insert or update or delete on catalog.site
  for each statement execute function catalog.changed();
create trigger changed after insert or update or delete on catalog.domain
  for each statement execute function catalog.changed();

grant usage on schema catalog to cackled_system;
grant select, insert, update, delete on catalog.site, catalog.domain to cackled_system;
grant select on catalog.secret to cackled_system;
