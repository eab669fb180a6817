-- Adding and removing pictures.
-- cackled: revision 5

-- Add a picture. Refused where the visitor added p_hourly in this hour, or the site has no room left. Contents that the
-- site has already take none.
create or replace function add_media(
  p_site int, p_id text, p_hash bytea, p_visitor bigint, p_account bigint, p_width int, p_height int, p_frames int,
  p_color text, p_alt text, p_files text, p_bytes bigint, p_hourly int, p_room bigint
) returns void language plpgsql as $$
declare
  known boolean;
  kept bigint;
begin
  insert into media_site (site_id) values (p_site) on conflict do nothing;
  select s.bytes into kept from media_site s where s.site_id = p_site for no key update;
  if p_visitor is not null and (
    select count(*) from media m
    where m.site_id = p_site and m.visitor_id = p_visitor and m.created_at > now() - interval '1 hour'
  ) >= p_hourly then
    raise exception using errcode = 'CK409', message = 'media-hourly';
  end if;
  known := exists (select 1 from media m where m.site_id = p_site and m.hash = p_hash);
  if not known and kept + p_bytes > p_room then
    raise exception using errcode = 'CK409', message = 'media-room';
  end if;
  insert into media (site_id, id, hash, visitor_id, account_id, width, height, frames, color, alt, files, bytes)
  values (p_site, p_id, p_hash, p_visitor, p_account, p_width, p_height, p_frames, p_color, p_alt, p_files, p_bytes);
  delete from media_gone g where g.site_id = p_site and g.hash = p_hash and not g.removing;
  if not known then
    update media_site s set pictures = s.pictures + 1, bytes = s.bytes + p_bytes where s.site_id = p_site;
  end if;
end
$$;

-- Give pictures of a visitor that are with nothing yet to an item; gives those that were, in the order asked for.
create or replace function attach_media(p_site int, p_visitor bigint, p_item text, p_ids text[])
returns setof text language sql as $$
  with taken as (
    update media m set item = p_item, shown = true
    where m.site_id = p_site and m.id = any(p_ids) and m.visitor_id = p_visitor and m.item in ('', p_item)
    returning m.id
  )
  select t.id from taken t order by array_position(p_ids, t.id)
$$;

-- Remove pictures; contents that nothing shows then are noted, so that their files go.
create or replace function drop_media(p_site int, p_ids text[]) returns setof text language plpgsql as $$
declare
  m media;
begin
  perform from media_site s where s.site_id = p_site for no key update;
  for m in delete from media x where x.site_id = p_site and x.id = any(p_ids) returning x.* loop
    if not exists (select 1 from media x where x.site_id = p_site and x.hash = m.hash) then
      insert into media_gone (site_id, hash) values (p_site, m.hash) on conflict do nothing;
      update media_site s set pictures = s.pictures - 1, bytes = s.bytes - m.bytes where s.site_id = p_site;
    end if;
    return next m.id;
  end loop;
end
$$;

-- Remove a visitor's pictures, at most so many at once (see erase_ballots): they are in no channel of their own.
create or replace function erase_media(p_site int, p_visitor bigint, p_most int)
returns table (channel bigint, seq bigint) language plpgsql as $$
begin
  perform erase_alone(p_site);
  perform drop_media(p_site, array(
    select m.id from media m where m.site_id = p_site and m.visitor_id = p_visitor limit p_most));
  perform drop_uploads(p_site, array(
    select u.id from upload u where u.site_id = p_site and u.visitor_id = p_visitor));
  if exists (select 1 from media m where m.site_id = p_site and m.visitor_id = p_visitor) then
    return query select null::bigint, null::bigint;
  end if;
end
$$;

-- Delete pictures of a site that is deleted, at most so many: their files go with the next look.
create or replace function delete_site_media(p_site int, p_most int) returns bigint language plpgsql as $$
declare
  n bigint;
begin
  with gone as (
    delete from media m where m.site_id = p_site and m.id in (select x.id from media x where x.site_id = p_site limit p_most)
    returning m.hash
  ), noted as (
    insert into media_gone as g (site_id, hash, since) select distinct p_site, o.hash, '-infinity'::timestamptz from gone o
    on conflict (site_id, hash) do update set since = excluded.since
  )
  select count(*) into n from gone;
  return n;
end
$$;

-- What is to be removed yet stays noted: contents whose files are kept, and what nodes' disks may have.
create or replace function delete_site_media_gone(p_site int, p_most int) returns bigint language sql as $$
  select 0::bigint
$$;

create or replace function delete_site_media_removed(p_site int, p_most int) returns bigint language sql as $$
  select 0::bigint
$$;

-- Mark the addresses of pictures in JSON, by a tab before them that no encoder writes: each is signed before it is given
-- out (`cackled.domain.signed_media`).
create or replace function sign_media(p_json text) returns text language sql immutable parallel safe as $$
  select replace(replace(p_json, '"url":"/media/', E'"url":\t"/media/'), '"url": "/media/', E'"url":\t"/media/')
$$;

-- The numbers of the pictures that JSON names ("SITE-NUMBER"); photos at other servers have no id.
create or replace function picture_numbers(p_json text) returns setof text language sql immutable parallel safe as $$
  select substr(p ->> 'id', strpos(p ->> 'id', '-') + 1) from json_array_elements(nullif(p_json, '')::json) p
  where p ->> 'id' is not null
$$;

-- Give an item the pictures p_named of a visitor, of which everybody may see p_shown; those that it has no more are with
-- nothing. Locks them: of two items that name one picture at the same time, the second is left without it.
create or replace function keep_pictures(
  p_site int, p_item text, p_visitor bigint, p_named text[], p_shown text[]
) returns void language sql as $$
  update media m set item = p_item, shown = m.id = any(p_shown)
  where m.site_id = p_site and m.id = any(p_named)
    and (m.item = '' and m.visitor_id = p_visitor or m.item = p_item and m.shown <> (m.id = any(p_shown)));
  update media m set item = '', shown = false
  where m.site_id = p_site and m.item = p_item and m.id <> all(p_named)
$$;

-- See that an item that was just written has all pictures that p_pictures (JSON) names.
create or replace function check_pictures(p_site int, p_item text, p_pictures text) returns void language plpgsql as $$
begin
  if exists (
    select from picture_numbers(p_pictures) p
    where not exists (select from media m where m.site_id = p_site and m.item = p_item and m.id = p)
  ) then
    raise exception using errcode = 'CK422', message = 'media-unknown';
  end if;
end
$$;

create or replace function media_freed() returns trigger language plpgsql as $$
begin
  new.freed_at := now();
  return new;
end
$$;

create or replace trigger freed_now before update of item on media
for each row when (old.item <> '' and new.item = '') execute function media_freed();

-- Tell all processes of a picture that not everybody may see any more: none keeps its files.
create or replace function media_hidden() returns trigger language plpgsql as $$
begin
  perform pg_notify('cackled_media', old.site_id || '-' || old.id);
  return null;
end
$$;

create or replace trigger hidden_now after update of shown on media
for each row when (old.shown and not new.shown) execute function media_hidden();
create or replace trigger hidden_for_good after delete on media
for each row execute function media_hidden();
