-- Photos of imported reviews: fetched by us, some at a time.
-- cackled: revision 2

-- Note the photos of reviews that are to be fetched, and that there is work.
create or replace function wish_review_photos(p_site int, p_ids bigint[]) returns void language plpgsql as $$
begin
  insert into review_photo (site_id, review_id, link)
  select p_site, r.id, m ->> 'link' from review r cross join jsonb_array_elements(r.media) m
  where r.site_id = p_site and r.id = any(p_ids) and m ->> 'link' <> ''
  order by r.id on conflict do nothing;
  perform wake_review_photos(p_site);
end
$$;

-- See that somebody looks for photos when the next one is due. One that nobody has claimed yet is enough.
create or replace function wake_review_photos(p_site int) returns void language sql as $$
  insert into outbox (site_id, kind, body, next_at)
  select p_site, 'review-photos', '{}', min(p.next_at) from review_photo p where p.site_id = p_site
  having count(*) > 0 and not exists (
    select from outbox o where o.site_id = p_site and o.kind = 'review-photos' and o.done_at is null
      and o.dead_at is null and o.tries = 0 and o.next_at <= greatest(now(), min(p.next_at)))
$$;

-- Claim photos that are due, for two minutes.
create or replace function take_review_photos(p_site int, p_most int)
returns table (review bigint, visitor bigint, link text, tries int) language sql as $$
  with due as (
    select p.review_id, p.link from review_photo p where p.site_id = p_site and p.next_at <= now()
    order by p.next_at, p.review_id, p.link limit p_most for update skip locked
  ), taken as (
    update review_photo p set tries = p.tries + 1, next_at = now() + interval '2 minutes' from due d
    where p.site_id = p_site and p.review_id = d.review_id and p.link = d.link
    returning p.review_id, p.link, p.tries
  )
  select t.review_id, r.visitor_id, t.link, t.tries from taken t
  join review r on r.site_id = p_site and r.id = t.review_id
  order by t.review_id, t.link
$$;

-- A photo is here: the review shows it where its link stood. p_photo: what is kept of the picture, JSON; null: it is no
-- more looked for. Gives the channel's number where the page changed.
create or replace function keep_review_photo(p_site int, p_review bigint, p_link text, p_photo text)
returns table (channel bigint, seq bigint) language plpgsql as $$
declare
  was review;
  r review;
begin
  select x.channel_id into channel from review x where x.site_id = p_site and x.id = p_review;
  perform from channel h where h.site_id = p_site and h.id = channel for no key update;
  delete from review_photo p where p.site_id = p_site and p.review_id = p_review and p.link = p_link;
  if not found or p_photo is null then
    return;
  end if;
  select * into was from review x where x.site_id = p_site and x.id = p_review;
  update review x set modified_at = now(), media = (
    select jsonb_agg(case when m ->> 'link' = p_link
      then p_photo::jsonb || jsonb_build_object('alt', m -> 'alt') else m end order by n)
    from jsonb_array_elements(x.media) with ordinality e (m, n))
  where x.site_id = p_site and x.id = p_review and exists (
    select from jsonb_array_elements(x.media) m where m ->> 'link' = p_link)
  returning * into r;
  if r.id is null then
    return;
  end if;
  perform count_reviews(array[was], array[r]);
  perform check_pictures(p_site, 'review:' || p_review, jsonb_build_array(p_photo::jsonb)::text);
  if r.status = 1 and not r.shadow then
    seq := advance_seq(p_site, channel);
    perform announce(p_site, channel, seq, 'review.updated', review_told(r), false);
    return next;
  end if;
end
$$;

-- Try a photo again later.
create or replace function put_review_photo_off(p_site int, p_review bigint, p_link text, p_seconds float8)
returns void language sql as $$
  update review_photo p set next_at = now() + make_interval(secs => p_seconds)
  where p.site_id = p_site and p.review_id = p_review and p.link = p_link
$$;

-- What a review that is gone for good leaves: its pictures are with nothing, and go after a day.
create or replace function review_gone() returns trigger language plpgsql as $$
begin
  perform keep_pictures(old.site_id, 'review:' || old.id, old.visitor_id, '{}', '{}');
  delete from review_photo p where p.site_id = old.site_id and p.review_id = old.id;
  return null;
end
$$;
create or replace trigger pictures_left after delete on review
for each row when (old.media <> '[]') execute function review_gone();
-- The text of a review was wiped, or its photos were changed: what is not shown is not fetched.
create or replace function review_photos_dropped() returns trigger language plpgsql as $$
begin
  delete from review_photo p where p.site_id = new.site_id and p.review_id = new.id and not exists (
    select from jsonb_array_elements(new.media) m where m ->> 'link' = p.link);
  return null;
end
$$;
create or replace trigger photos_dropped after update of media on review
for each row when (strpos(old.media::text, '"link"') > 0) execute function review_photos_dropped();
