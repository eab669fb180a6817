-- Titles of the videos that reviews name.
-- cackled: revision 1

create or replace function forget_review_videos() returns trigger language plpgsql as $$
begin
  new.videos := '';
  return new;
end
$$;

-- Have the titles of what a shown review names asked for.
create or replace function ask_review_videos() returns trigger language plpgsql as $$
begin
  insert into outbox (site_id, kind, body) values (new.site_id, 'review-videos', format('{"review":"%s"}', new.id));
  return null;
end
$$;

create or replace trigger review_videos_forgotten before update of html on review
for each row when (old.videos <> '' and old.html is distinct from new.html) execute function forget_review_videos();
create or replace trigger review_videos_added after insert on review
for each row when (new.status = 1 and not new.shadow and new.html ~ '<a href="https?://[^"]*(youtu|vimeo\.com)')
execute function ask_review_videos();
create or replace trigger review_videos_changed after update of html, status on review
for each row when (new.status = 1 and not new.shadow and new.videos = ''
  and (old.html is distinct from new.html or old.status <> 1)
  and new.html ~ '<a href="https?://[^"]*(youtu|vimeo\.com)')
execute function ask_review_videos();

-- Show p_videos with a review whose text is still the one that they were found in (its MD5); pages are told.
create or replace function set_review_videos(p_site int, p_id bigint, p_text text, p_videos text)
returns table (channel bigint, seq bigint) language plpgsql as $$
declare
  r review;
begin
  perform from channel x where x.site_id = p_site and x.id = (
    select y.channel_id from review y where y.site_id = p_site and y.id = p_id
  ) for no key update;
  select * into r from review x where x.site_id = p_site and x.id = p_id and x.status = 1 and not x.shadow
    and x.videos = '' and md5(x.html) = p_text;
  if not found then
    return;
  end if;
  update review x set videos = p_videos, modified_at = now() where x.site_id = p_site and x.id = p_id returning * into r;
  channel := r.channel_id;
  seq := advance_seq(p_site, channel);
  perform announce(p_site, channel, seq, 'review.updated', review_told(r), false);
  return next;
end
$$;
