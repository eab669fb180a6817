-- Titles of videos that options of polls name.
-- cackled: compat 1

alter table poll_option add column if not exists video_title text not null default '';
