-- Walls of reactions.
-- cackled: compat 1

create table wall (
  site_id int not null,
  channel_id bigint not null,
  reactions int not null default 0,
  primary key (site_id, channel_id)
);

-- gone: its words were forgotten.
create table reaction (
  site_id int not null,
  id bigint generated always as identity,
  channel_id bigint not null,
  visitor_id bigint not null,
  author_name text not null,
  words text not null,
  gone boolean not null default false,
  created_at timestamptz not null default now(),
  primary key (site_id, id)
);
create index reaction_wall on reaction (site_id, channel_id, id desc) where not gone;

do $$
declare
  t text;
begin
  foreach t in array array['wall', 'reaction'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy own_site on %I to cackled_app
      using (site_id = (select app_site())) with check (site_id = (select app_site()))', t);
    execute format('create policy all_sites on %I to cackled_system using (true) with check (true)', t);
    execute format('grant select, insert, update, delete on %I to cackled_app, cackled_system', t);
  end loop;
end
$$;
