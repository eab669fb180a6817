-- Pictures that reviews show.
-- cackled: revision 2

-- Give a review the pictures that it shows, and those of a change that waits: photos that have an id ("SITE-NUMBER").
-- Those that it shows no more are with nothing, and go after a day.
create or replace function keep_review_pictures(p_site int, p_review bigint) returns void language plpgsql as $$
declare
  r review;
  waits text;
begin
  select * into r from review x where x.site_id = p_site and x.id = p_review;
  select v.data::json ->> 'media' into waits from review_revision v
  where v.site_id = p_site and v.review_id = p_review;
  perform keep_pictures(p_site, 'review:' || p_review, r.visitor_id,
    array(select picture_numbers(r.media::text) union select picture_numbers(waits)),
    case when r.status = 1 then array(select picture_numbers(r.media::text)) else '{}' end);
end
$$;

create or replace function review_media_changed() returns trigger language plpgsql as $$
begin
  perform keep_review_pictures(new.site_id, new.id);
  return null;
end
$$;

create or replace function review_revision_changed() returns trigger language plpgsql as $$
begin
  perform keep_review_pictures(coalesce(new.site_id, old.site_id), coalesce(new.review_id, old.review_id));
  return null;
end
$$;

create or replace trigger pictures_added after insert on review
for each row when (new.media <> '[]') execute function review_media_changed();
create or replace trigger pictures_changed after update of media, status on review
for each row when (old.media is distinct from new.media or old.media <> '[]' and old.status <> new.status) execute function review_media_changed();
create or replace trigger pictures_wait after insert or update on review_revision
for each row when (strpos(new.data, '"media"') > 0) execute function review_revision_changed();
create or replace trigger pictures_wait_no_more after delete on review_revision
for each row when (strpos(old.data, '"media"') > 0) execute function review_revision_changed();
