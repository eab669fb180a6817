-- Pictures that visitors and staff add, and their files.
-- cackled: compat 1

-- hash: SHA-256 of what was sent; the same again on a site takes no more room. files: a JSON list of name, type, width,
-- height and bytes. item: what it is shown with (comment:12), '' while it is with nothing yet.
create table media (
  site_id int not null,
  id text not null,
  hash bytea not null,
  visitor_id bigint,
  account_id bigint,
  width int not null,
  height int not null,
  frames int not null default 1,
  color text not null,
  alt text not null default '',
  files text not null,
  bytes bigint not null,
  item text not null default '',
  created_at timestamptz not null default now(),
  primary key (site_id, id)
);
create index media_hash on media (site_id, hash);
create index media_visitor on media (site_id, visitor_id) where visitor_id is not null;
create index media_item on media (site_id, item) where item <> '';
create index media_unused on media (created_at) where item = '';

-- What a site has: pictures with different contents, and the bytes of their files. Locked by whoever adds one.
create table media_site (
  site_id int not null,
  pictures bigint not null default 0,
  bytes bigint not null default 0,
  primary key (site_id)
);

-- Contents that nothing shows (yet, or any more); their files are removed an hour later. removing: they are now.
create table media_gone (
  site_id int not null,
  hash bytea not null,
  since timestamptz not null default now(),
  removing boolean not null default false,
  primary key (site_id, hash)
);
create index media_gone_since on media_gone (since);

-- The files, where the database keeps them.
create table media_file (
  site_id int not null,
  hash bytea not null,
  name text not null,
  body bytea not null,
  primary key (site_id, hash, name)
);
alter table media_file alter column body set storage external;

do $$
declare
  t text;
begin
  foreach t in array array['media', 'media_site', 'media_gone', 'media_file'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy own_site on %I to cackled_app
      using (site_id = (select app_site())) with check (site_id = (select app_site()))', t);
    execute format('create policy all_sites on %I to cackled_system using (true) with check (true)', t);
    execute format('grant select, insert, update, delete on %I to cackled_app, cackled_system', t);
  end loop;
end
$$;
