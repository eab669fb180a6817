-- The catalog: who is woken by its changes, and which deployment its sites belong to.
-- cackled: revision 1

-- Every change of the catalog wakes every node.
create or replace function catalog.changed() returns trigger language plpgsql as $$
begin
  perform pg_notify('cackled_catalog', '');
  return null;
end
$$;

-- Gives the deployment that the database belongs to: the first one that asks.
create or replace function catalog.belongs(p_name text) returns text language plpgsql as $$
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
create or replace function catalog.site_stays() returns trigger language plpgsql as $$
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

-- A site that is stored here can't be said to be elsewhere.
create or replace function catalog.pin_holds() returns trigger language plpgsql as $$
begin
  if new.deployment <> (select name from catalog.deployment) and exists (select from catalog.site s where s.id = new.site_id)
  then
    raise exception using errcode = 'CK409', message = 'stored';
  end if;
  return new;
end
$$;
