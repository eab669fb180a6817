-- Pictures that comments show.
-- cackled: revision 3

-- Give a comment the pictures that it shows, those of a text that waits, and those of one that can be brought back. Those
-- that are in none of these are with nothing, and go after a day.
create or replace function keep_comment_pictures(p_site int, p_comment bigint) returns void language plpgsql as $$
declare
  c comment;
  named text[];
begin
  select * into c from comment x where x.site_id = p_site and x.id = p_comment;
  named := array(
    select picture_numbers(l.media) from (
      select c.media
      union all
      select r.media from comment_revision r where r.site_id = p_site and r.comment_id = p_comment
      union all
      select k.media from comment_kept k where k.site_id = p_site and k.comment_id = p_comment
      union all
      select x.media from removed_comment x where x.site_id = p_site and x.comment_id = p_comment
    ) l) || array(select link_pictures(c.links));
  perform keep_pictures(p_site, 'comment:' || p_comment, c.visitor_id, named, case when c.status = 1
    then array(select picture_numbers(c.media)) || array(select link_pictures(c.links)) else '{}' end);
end
$$;

create or replace function comment_media_changed() returns trigger language plpgsql as $$
begin
  perform keep_comment_pictures(coalesce(new.site_id, old.site_id), coalesce(new.id, old.id));
  return null;
end
$$;

create or replace function comment_media_beside() returns trigger language plpgsql as $$
begin
  perform keep_comment_pictures(coalesce(new.site_id, old.site_id), coalesce(new.comment_id, old.comment_id));
  return null;
end
$$;

create or replace trigger pictures_added after insert on comment
for each row when (new.media <> '') execute function comment_media_changed();
-- Of html, too: another text has other previews (comment_links.sql).
create or replace trigger pictures_changed after update of media, html, status on comment
for each row when (old.media is distinct from new.media or old.links <> '' and new.links = ''
  or (old.media <> '' or old.links <> '') and old.status <> new.status) execute function comment_media_changed();
create or replace trigger pictures_gone after delete on comment
for each row when (old.media <> '' or old.links <> '') execute function comment_media_changed();
create or replace trigger pictures_wait after insert or update of media on comment_revision
for each row when (new.media <> '') execute function comment_media_beside();
create or replace trigger pictures_wait_no_more after delete on comment_revision
for each row when (old.media <> '') execute function comment_media_beside();
create or replace trigger pictures_kept_no_more after delete on comment_kept
for each row when (old.media <> '') execute function comment_media_beside();
create or replace trigger pictures_removed_for_good after delete on removed_comment
for each row when (old.media <> '') execute function comment_media_beside();
