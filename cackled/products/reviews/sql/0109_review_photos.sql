-- Photos of imported reviews that lie at other servers: shown as links, and fetched by us where the site wants that.
-- cackled: compat 1

-- A photo that is still to be fetched. link: where it lies; tries: how often it was asked for; next_at: when it is next.
create table review_photo (
  site_id int not null,
  review_id bigint not null,
  link text not null,
  tries int not null default 0,
  next_at timestamptz not null default now(),
  primary key (site_id, review_id, link)
);
create index review_photo_next on review_photo (site_id, next_at);
alter table review_photo enable row level security;
alter table review_photo force row level security;
create policy own_site on review_photo to cackled_app
  using (site_id = (select app_site())) with check (site_id = (select app_site()));
create policy all_sites on review_photo to cackled_system using (true) with check (true);
grant select, insert, update, delete on review_photo to cackled_app, cackled_system;

-- No page loads anything from another server unasked: scripts that are older than this show such a photo not at all.
set role cackled_system;
update review r set media = (
  select jsonb_agg(case when m ->> 'id' is null and m ->> 'url' <> ''
    then jsonb_build_object('url', '', 'alt', m -> 'alt', 'link', m -> 'url') else m end order by n)
  from jsonb_array_elements(r.media) with ordinality e (m, n))
where r.import_id is not null and r.media <> '[]' and exists (
  select from jsonb_array_elements(r.media) m where m ->> 'id' is null and m ->> 'url' <> '');
reset role;
