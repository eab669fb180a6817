-- What sites chose about addresses and old texts, where the rows are, and what was removed by it.
-- cackled: compat 1

-- A copy of the settings, for statements that see all sites of a database. Months: 0 is for ever.
create table privacy_rule (
  site_id int not null primary key,
  truncated boolean not null default false,
  address_months int not null default 0,
  deleted_months int not null default 0
);

-- Figures of what was removed, by day.
create table privacy_removed (
  site_id int not null,
  day date not null,
  what text not null,
  count bigint not null default 0,
  primary key (site_id, day, what)
);

do $$
declare
  t text;
begin
  foreach t in array array['privacy_rule', 'privacy_removed'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy own_site on %I to cackled_app
      using (site_id = (select app_site())) with check (site_id = (select app_site()))', t);
    execute format('create policy all_sites on %I to cackled_system using (true) with check (true)', t);
    execute format('grant select, insert, update, delete on %I to cackled_app, cackled_system', t);
  end loop;
end
$$;

-- An address without its last part: /24 of IPv4, /48 of IPv6.
create function truncated_address(p_address inet) returns inet language sql immutable parallel safe as $$
  select host(network(set_masklen(p_address, case family(p_address) when 4 then 24 else 48 end)))::inet
$$;

create function truncate_addresses() returns trigger language plpgsql as $$
begin
  if exists (select from privacy_rule r where r.site_id = new.site_id and r.truncated) then
    if tg_table_name = 'visitor' then
      new.first_ip := truncated_address(new.first_ip);
      new.last_ip := truncated_address(new.last_ip);
    else
      new.ip := truncated_address(new.ip);
    end if;
  end if;
  return new;
end
$$;

create trigger truncate_addresses before insert or update of first_ip, last_ip on visitor
  for each row execute function truncate_addresses();
create trigger truncate_addresses before insert or update of ip on comment
  for each row execute function truncate_addresses();
do $$
begin
  if to_regclass('review') is not null then
    create trigger truncate_addresses before insert or update of ip on review
      for each row execute function truncate_addresses();
  end if;
end
$$;
