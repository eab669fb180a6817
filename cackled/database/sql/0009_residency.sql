-- Which deployment a database belongs to, and where sites live: a site is stored in one deployment and in no other.
-- cackled: compat 1

create table catalog.deployment (
  one boolean primary key default true check (one),
  name text not null check (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$')
);

-- Sites whose number alone does not say where they live. Of one that lives elsewhere this row is all that is known here.
create table catalog.pin (
  site_id int primary key check (site_id > 0),
  deployment text not null check (deployment ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
  pinned_at timestamptz not null default now()
);

alter table catalog.site add column deployment text;

-- Gives the deployment that the database belongs to: the first one that asks.
create function catalog.belongs(p_name text) returns text language plpgsql as $$
declare
  owner text;
begin
  insert into catalog.deployment (name) values (p_name) on conflict do nothing;
  select name into owner from catalog.deployment;
  update catalog.site set deployment = owner where deployment is null;
  return owner;
end
$$;
revoke execute on function catalog.belongs(text) from public;

-- Whatever way a site comes in (command, import, copy): not into the database of another deployment.
create function catalog.site_stays() returns trigger language plpgsql as $$
declare
  owner text := (select name from catalog.deployment);
  pinned text := (select p.deployment from catalog.pin p where p.site_id = new.id);
begin
  if new.deployment is null then
    new.deployment := owner;
  end if;
  if owner is not null and (new.deployment <> owner or pinned <> owner) then
    raise exception using errcode = 'CK421', message = 'deployment';
  end if;
  return new;
end
$$;
create trigger stays before insert or update on catalog.site
  for each row execute function catalog.site_stays();

-- A site that is stored here can't be said to be elsewhere.
create function catalog.pin_holds() returns trigger language plpgsql as $$
begin
  if new.deployment <> (select name from catalog.deployment) and exists (select from catalog.site s where s.id = new.site_id)
  then
    raise exception using errcode = 'CK409', message = 'stored';
  end if;
  return new;
end
$$;
create trigger holds before insert or update on catalog.pin
  for each row execute function catalog.pin_holds();
create trigger changed after insert or update or delete on catalog.pin
  for each statement execute function catalog.changed();

grant select on catalog.deployment to cackled_system;
grant select, insert, update, delete on catalog.pin to cackled_system;
