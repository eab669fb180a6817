-- Uploads that come in several requests (tus 1.0): what of them is here, and the pieces of it.
-- cackled: compat 1

-- length: bytes of the whole file, null while the client has not said. at: bytes that are here. writer: counts the
-- requests that write or ask; an older one can't add to it any more. metadata: as it was sent. media_id: the picture that
-- it became. refused: the refusal of the whole file as JSON, '' for none.
create table upload (
  site_id int not null,
  id text not null,
  visitor_id bigint not null,
  length bigint,
  at bigint not null default 0,
  writer int not null default 0,
  metadata text not null default '',
  alt text not null default '',
  media_id text,
  refused text not null default '',
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  primary key (site_id, id)
);
create index upload_visitor on upload (site_id, visitor_id);
create index upload_expires on upload (expires_at);

create table upload_piece (
  site_id int not null,
  upload_id text not null,
  at bigint not null,
  data bytea not null,
  primary key (site_id, upload_id, at)
);
alter table upload_piece alter column data set storage external;

do $$
declare
  t text;
begin
  foreach t in array array['upload', 'upload_piece'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy own_site on %I to cackled_app
      using (site_id = (select app_site())) with check (site_id = (select app_site()))', t);
    execute format('create policy all_sites on %I to cackled_system using (true) with check (true)', t);
    execute format('grant select, insert, update, delete on %I to cackled_app, cackled_system', t);
  end loop;
end
$$;
