-- Imports and exports that staff begin in the panel or by the API: their files, and how far they are.
-- cackled: compat 1

-- via: console (the command line) or api. wish: what somebody wants to happen: pause, stop or undo. map: the map of
-- addresses, CSV. received: bytes of the file that are here.
alter table import_run
  add column via text not null default 'console',
  add column wish text not null default '',
  add column map text not null default '',
  add column received bigint not null default 0;

-- state: waiting, writing, done, failed, stopped, gone. done: bytes that were written, before they are packed; size: of
-- the file as it is kept.
create table export_run (
  site_id int not null,
  id bigint generated always as identity,
  product text not null,
  format text not null,
  who text not null default '',
  state text not null default 'waiting',
  wish text not null default '',
  error text not null default '',
  done bigint not null default 0,
  size bigint not null default 0,
  created_at timestamptz not null default now(),
  beat_at timestamptz not null default now(),
  ended_at timestamptz,
  primary key (site_id, id)
);

-- Files in pieces. kind: import or export; number: of the run; at: where the piece begins.
create table transfer_piece (
  site_id int not null,
  kind text not null,
  number bigint not null,
  at bigint not null,
  data bytea not null,
  primary key (site_id, kind, number, at)
);
alter table transfer_piece alter column data set storage external;

do $$
declare
  t text;
begin
  foreach t in array array['export_run', 'transfer_piece'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy own_site on %I to cackled_app
      using (site_id = (select app_site())) with check (site_id = (select app_site()))', t);
    execute format('create policy all_sites on %I to cackled_system using (true) with check (true)', t);
    execute format('grant select, insert, update, delete on %I to cackled_app, cackled_system', t);
  end loop;
end
$$;
