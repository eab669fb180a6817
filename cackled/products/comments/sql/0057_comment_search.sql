-- The words of comments as moderators look for them, filled in the background: posting does not wait for it.
-- cackled: compat 1

create table comment_search (
  site_id int not null,
  comment_id bigint not null,
  lexemes tsvector not null,
  primary key (site_id, comment_id)
);
create index comment_search_lexemes on comment_search using gin (lexemes);
alter table comment_search enable row level security;
alter table comment_search force row level security;
create policy own_site on comment_search to cackled_app
  using (site_id = (select app_site())) with check (site_id = (select app_site()));
create policy all_sites on comment_search to cackled_system using (true) with check (true);
grant select, insert, update, delete on comment_search to cackled_app, cackled_system;

-- Comments with greater ids are not there yet.
create table comment_search_reached (
  one boolean primary key default true check (one),
  id bigint not null default 0
);
insert into comment_search_reached default values;
grant select, update on comment_search_reached to cackled_system;
