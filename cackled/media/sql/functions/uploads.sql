-- Uploads in several requests.
-- cackled: revision 3

-- Begin an upload of p_length bytes (null: not known yet, counted as p_most), for p_place. Refused where the visitor or
-- account has p_open under way, or the visitor began p_hourly in this hour with the pictures that they added; or the site
-- has no room left. Of uploads of others only what is here takes room: a length is soon said, and would keep everybody
-- else out. keep_upload_piece looks at the room again.
create or replace function begin_upload(
  p_site int, p_id text, p_visitor bigint, p_account bigint, p_place text, p_length bigint, p_metadata text, p_alt text,
  p_most bigint, p_seconds int, p_open int, p_hourly int, p_room bigint
) returns timestamptz language plpgsql as $$
declare
  kept bigint;
  under_way bigint;
  own int;
  ends timestamptz;
begin
  insert into media_site (site_id) values (p_site) on conflict do nothing;
  select s.bytes into kept from media_site s where s.site_id = p_site for no key update;
  select
    coalesce(sum(case
      when u.visitor_id is not distinct from p_visitor and u.account_id is not distinct from p_account
      then coalesce(u.length, p_most) else u.at end), 0),
    count(*) filter (
      where u.visitor_id is not distinct from p_visitor and u.account_id is not distinct from p_account)
  into under_way, own
  from upload u where u.site_id = p_site and u.media_id is null and u.refused = '' and u.expires_at > now();
  if own >= p_open then
    raise exception using errcode = 'CK409', message = 'uploads-open';
  end if;
  if p_visitor is not null and (select count(*) from media m
      where m.site_id = p_site and m.visitor_id = p_visitor and m.created_at > now() - interval '1 hour')
    + (select count(*) from upload u
       where u.site_id = p_site and u.visitor_id = p_visitor and u.media_id is null
         and u.created_at > now() - interval '1 hour') >= p_hourly then
    raise exception using errcode = 'CK409', message = 'media-hourly';
  end if;
  if kept + under_way + coalesce(p_length, p_most) > p_room then
    raise exception using errcode = 'CK409', message = 'media-room';
  end if;
  insert into upload (site_id, id, visitor_id, account_id, place, length, metadata, alt, expires_at)
  values (p_site, p_id, p_visitor, p_account, p_place, p_length, p_metadata, p_alt,
    now() + make_interval(secs => p_seconds))
  returning expires_at into ends;
  return ends;
end
$$;

-- As older programs call it, while both are there.
create or replace function begin_upload(
  p_site int, p_id text, p_visitor bigint, p_length bigint, p_metadata text, p_alt text, p_most bigint, p_seconds int,
  p_open int, p_hourly int, p_room bigint
) returns timestamptz language sql as $$
  select begin_upload(
    p_site, p_id, p_visitor, null::bigint, ''::text, p_length, p_metadata, p_alt, p_most, p_seconds, p_open, p_hourly,
    p_room)
$$;

-- Keep a piece that the writer p_writer read; gives the bytes that are here then, or no row where another request took
-- over, the upload is gone, or the piece does not fit. Refused where the site has no room left (p_room bytes).
create or replace function keep_upload_piece(
  p_site int, p_id text, p_writer int, p_at bigint, p_data bytea, p_most bigint, p_room bigint
) returns setof bigint language plpgsql as $$
begin
  if coalesce((select s.bytes from media_site s where s.site_id = p_site), 0)
    + (select coalesce(sum(u.at), 0) from upload u
       where u.site_id = p_site and u.media_id is null and u.refused = '' and u.expires_at > now())
    + length(p_data) > p_room then
    raise exception using errcode = 'CK409', message = 'media-room';
  end if;
  return query select keep_upload_piece(p_site, p_id, p_writer, p_at, p_data, p_most);
end
$$;

-- The same, and as older programs call it, while both are there.
create or replace function keep_upload_piece(
  p_site int, p_id text, p_writer int, p_at bigint, p_data bytea, p_most bigint
) returns setof bigint language plpgsql as $$
begin
  return query update upload u set at = u.at + length(p_data)
    where u.site_id = p_site and u.id = p_id and u.writer = p_writer and u.at = p_at and u.media_id is null
      and u.refused = '' and u.expires_at > now() and u.at + length(p_data) <= coalesce(u.length, p_most)
    returning u.at;
  if found then
    insert into upload_piece (site_id, upload_id, at, data) values (p_site, p_id, p_at, p_data);
  end if;
end
$$;

-- Note what became of an upload, and remove its pieces; no row where that is known already.
create or replace function end_upload(p_site int, p_id text, p_media text, p_refused text) returns setof text
language plpgsql as $$
begin
  return query update upload u set media_id = p_media, refused = p_refused
    where u.site_id = p_site and u.id = p_id and u.media_id is null and u.refused = '' returning u.id;
  if found then
    delete from upload_piece p where p.site_id = p_site and p.upload_id = p_id;
  end if;
end
$$;

-- Remove uploads.
create or replace function drop_uploads(p_site int, p_ids text[]) returns setof text language sql as $$
  delete from upload_piece p where p.site_id = p_site and p.upload_id = any(p_ids);
  delete from upload u where u.site_id = p_site and u.id = any(p_ids) returning u.id
$$;
