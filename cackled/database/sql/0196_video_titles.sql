-- Titles of videos that reviews and polls name, as their sites give them (oEmbed).
-- cackled: compat 1

-- What a site knows of a video (youtube:ID). title: '' where none could be had.
create table video_title (
  site_id int not null,
  video text not null,
  title text not null,
  failures int not null default 0,
  expires_at timestamptz not null,
  primary key (site_id, video)
);
create index video_title_expires on video_title (expires_at);
alter table video_title enable row level security;
alter table video_title force row level security;
create policy own_site on video_title to cackled_app
  using (site_id = (select app_site())) with check (site_id = (select app_site()));
create policy all_sites on video_title to cackled_system using (true) with check (true);
grant select, insert, update, delete on video_title to cackled_app, cackled_system;
