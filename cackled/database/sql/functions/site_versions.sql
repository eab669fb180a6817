-- The version of a site rises with each change of it or of its origins.
-- cackled: revision 1

create or replace function catalog.site_version() returns trigger language plpgsql as $$
begin
  if new.version = old.version and (new.name, new.settings) is distinct from (old.name, old.settings) then
    new.version := old.version + 1;
  end if;
  return new;
end
$$;

create or replace function catalog.domain_version() returns trigger language plpgsql as $$
begin
  update catalog.site set version = version + 1 where id = coalesce(new.site_id, old.site_id);
  return null;
end
$$;

do $$
begin
  if not exists (select from pg_trigger where tgrelid = 'catalog.site'::regclass and tgname = 'version') then
    create trigger version before update on catalog.site for each row execute function catalog.site_version();
  end if;
  if not exists (select from pg_trigger where tgrelid = 'catalog.domain'::regclass and tgname = 'version') then
    create trigger version after insert or update or delete on catalog.domain
      for each row execute function catalog.domain_version();
  end if;
end
$$;
