-- Previews of links in comments: JSON as it is given out, '' where there are none; and what was found at each address.
-- cackled: compat 1

alter table comment add column links text not null default '';

-- What a site knows of an address. card: JSON, '' where there is nothing to show. picture: the contents (media.hash) of its
-- picture, where it has one.
create table link_card (
  site_id int not null,
  hash bytea not null,
  card text not null,
  picture bytea,
  failures int not null default 0,
  expires_at timestamptz not null,
  primary key (site_id, hash)
);
create index link_card_expires on link_card (expires_at);
alter table link_card enable row level security;
alter table link_card force row level security;
create policy own_site on link_card to cackled_app
  using (site_id = (select app_site())) with check (site_id = (select app_site()));
create policy all_sites on link_card to cackled_system using (true) with check (true);
grant select, insert, update, delete on link_card to cackled_app, cackled_system;
