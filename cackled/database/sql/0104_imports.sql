-- What was imported from other systems: the runs, what each brought, and whose it is.
-- cackled: compat 1

-- state: waiting, reading, writing, done, failed, stopped, undoing, undone. options and report are JSON. The channel,
-- depth and number up to which it has written; the channel up to which pages were told.
create table import_run (
  site_id int not null,
  id bigint generated always as identity,
  product text not null,
  format text not null,
  source text not null,
  name text not null default '',
  who text not null default '',
  dry boolean not null default false,
  options text not null default '{}',
  state text not null default 'waiting',
  report text not null default '{}',
  error text not null default '',
  size bigint not null default 0,
  done bigint not null default 0,
  items bigint not null default 0,
  added bigint not null default 0,
  present bigint not null default 0,
  at_channel bigint not null default -1,
  at_depth int not null default 0,
  at_number bigint not null default 0,
  told_channel bigint not null default -1,
  created_at timestamptz not null default now(),
  beat_at timestamptz not null default now(),
  ended_at timestamptz,
  primary key (site_id, id)
);

-- external_id: what the source calls it.
create table import_item (
  site_id int not null,
  product text not null,
  source text not null,
  external_id text not null,
  item_id bigint not null,
  channel_id bigint not null,
  run_id bigint not null,
  primary key (site_id, product, source, external_id)
);
create unique index import_item_number on import_item (site_id, product, item_id);
create index import_item_run on import_item (site_id, run_id, item_id);

-- Who wrote what was imported. Whoever shows that the address of mail is theirs becomes that visitor's person.
create table import_author (
  site_id int not null,
  source text not null,
  author text not null,
  visitor_id bigint not null,
  name text not null default '',
  email text not null default '',
  url text not null default '',
  avatar text not null default '',
  run_id bigint not null,
  primary key (site_id, source, author)
);
create index import_author_visitor on import_author (site_id, visitor_id);
create index import_author_email on import_author (site_id, lower(email)) where email <> '';
create index import_author_run on import_author (site_id, run_id);

do $$
declare
  t text;
begin
  foreach t in array array['import_run', 'import_item', 'import_author'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy own_site on %I to cackled_app
      using (site_id = (select app_site())) with check (site_id = (select app_site()))', t);
    execute format('create policy all_sites on %I to cackled_system using (true) with check (true)', t);
    execute format('grant select, insert, update, delete on %I to cackled_app, cackled_system', t);
  end loop;
end
$$;
