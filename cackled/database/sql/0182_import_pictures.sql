-- Pictures that imports name: fetched by us where that is wished, some at a time, after the import itself.
-- cackled: compat 1

-- A picture that is still to be fetched: one of a comment (comment_id; mark: what stands for it in the text), or that of
-- an imported author (author_id: the visitor). address: SHA-256 of where it lies, link; host is asked one at a time.
create table import_picture (
  site_id int not null,
  address bytea not null,
  comment_id bigint not null default 0,
  author_id bigint not null default 0,
  run_id bigint not null,
  link text not null,
  host text not null,
  alt text not null default '',
  mark text not null default '',
  tries int not null default 0,
  next_at timestamptz not null default now(),
  primary key (site_id, address, comment_id, author_id)
);
create index import_picture_next on import_picture (site_id, next_at);
create index import_picture_host on import_picture (site_id, host);
create index import_picture_run on import_picture (site_id, run_id);
create index import_picture_comment on import_picture (site_id, comment_id);
alter table import_picture enable row level security;
alter table import_picture force row level security;
create policy own_site on import_picture to cackled_app
  using (site_id = (select app_site())) with check (site_id = (select app_site()));
create policy all_sites on import_picture to cackled_system using (true) with check (true);
grant select, insert, update, delete on import_picture to cackled_app, cackled_system;

-- How many pictures an import wished for, how many of them are here, and how many can't be had, by reason.
alter table import_run add column pictures int not null default 0, add column pictures_taken int not null default 0,
  add column pictures_failed jsonb not null default '{}';

-- The picture of an imported author that is kept here: its number in media, '' for none.
alter table import_author add column picture text not null default '';
create index import_author_picture on import_author (site_id, visitor_id) where picture <> '';
