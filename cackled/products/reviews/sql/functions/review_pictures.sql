-- Pictures that reviews show.
-- cackled: revision 1

-- Give a review the pictures that it shows, and those of a change that waits: photos that have an id ("SITE-NUMBER").
-- Those that it shows no more are with nothing, and go after a day.
create or replace function keep_review_pictures(p_site int, p_review bigint) returns void language plpgsql as $$
declare
  whole jsonb;
  visitor bigint;
  named text[];
begin
  select r.media, r.visitor_id into whole, visitor from review r where r.site_id = p_site and r.id = p_review;
  whole := coalesce(whole, '[]') || coalesce((
    select v.data::jsonb -> 'media' from review_revision v where v.site_id = p_site and v.review_id = p_review), '[]');
  named := array(
    select substr(m ->> 'id', strpos(m ->> 'id', '-') + 1) from jsonb_array_elements(whole) m where m ? 'id');
  update media m set item = 'review:' || p_review
  where m.site_id = p_site and m.id = any(named) and m.item = '' and m.visitor_id = visitor;
  update media m set item = ''
  where m.site_id = p_site and m.item = 'review:' || p_review and m.id <> all(named);
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
create or replace trigger pictures_changed after update of media on review
for each row when (old.media is distinct from new.media) execute function review_media_changed();
create or replace trigger pictures_wait after insert or update on review_revision
for each row when (strpos(new.data, '"media"') > 0) execute function review_revision_changed();
create or replace trigger pictures_wait_no_more after delete on review_revision
for each row when (strpos(old.data, '"media"') > 0) execute function review_revision_changed();
