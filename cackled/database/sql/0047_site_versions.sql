-- Each change of a site raises its version, by which a change that builds on an older state is refused. Origins that
-- are not proven to be the owner's do not count.
-- cackled: compat 1

alter table catalog.site add column version bigint not null default 1;
alter table catalog.domain add column counts boolean not null default true;

create function catalog.site_version() returns trigger language plpgsql as $$
begin
  if new.version = old.version and (new.name, new.settings) is distinct from (old.name, old.settings) then
    new.version := old.version + 1;
  end if;
  return new;
end
$$;
create trigger version before update on catalog.site for each row execute function catalog.site_version();

create function catalog.domain_version() returns trigger language plpgsql as $$
begin
  update catalog.site set version = version + 1 where id = coalesce(new.site_id, old.site_id);
  return null;
end
$$;
create trigger version after insert or update or delete on catalog.domain
  for each row execute function catalog.domain_version();
