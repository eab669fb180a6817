-- What sites want to be removed after a time. Each call removes at most p_most rows, and gives their number.
-- cackled: revision 5

create or replace function note_removed(p_what text, p_sites int[]) returns bigint language sql as $$
  with counted as (
    insert into privacy_removed (site_id, day, what, count)
    select s.id, current_date, p_what, count(*) from unnest(p_sites) s (id) group by s.id
    on conflict (site_id, day, what) do update set count = privacy_removed.count + excluded.count
  )
  select coalesce(cardinality(p_sites), 0)::bigint
$$;

create or replace function forget_comment_addresses(p_most int) returns bigint language plpgsql as $$
declare
  sites int[];
begin
  with gone as (
    update comment c set ip = null where (c.site_id, c.id) in (
      select x.site_id, x.id from privacy_rule r join comment x on x.site_id = r.site_id
      where r.address_months > 0 and x.ip is not null and x.created_at < now() - make_interval(months => r.address_months)
      limit p_most)
    returning c.site_id
  )
  select array_agg(g.site_id) into sites from gone g;
  return note_removed('comment addresses', sites);
end
$$;

create or replace function forget_visitor_addresses(p_most int) returns bigint language plpgsql as $$
declare
  sites int[];
begin
  with gone as (
    update visitor v set first_ip = null, last_ip = null where (v.site_id, v.id) in (
      select x.site_id, x.id from privacy_rule r join visitor x on x.site_id = r.site_id
      where r.address_months > 0 and (x.first_ip is not null or x.last_ip is not null)
        and x.last_seen < now() - make_interval(months => r.address_months)
      limit p_most)
    returning v.site_id
  )
  select array_agg(g.site_id) into sites from gone g;
  return note_removed('visitor addresses', sites);
end
$$;

-- The same of reviews and of conversations with operators.
create or replace function forget_other_addresses(p_most int) returns bigint language plpgsql as $$
declare
  reviews int[];
  chats int[];
begin
  with gone as (
    update review c set ip = null where (c.site_id, c.id) in (
      select x.site_id, x.id from privacy_rule r join review x on x.site_id = r.site_id
      where r.address_months > 0 and x.ip is not null and x.created_at < now() - make_interval(months => r.address_months)
      limit p_most)
    returning c.site_id
  )
  select array_agg(g.site_id) into reviews from gone g;
  with gone as (
    update chat c set address = null where (c.site_id, c.id) in (
      select x.site_id, x.id from privacy_rule r join chat x on x.site_id = r.site_id
      where r.address_months > 0 and x.address is not null
        and x.created_at < now() - make_interval(months => r.address_months)
      limit p_most)
    returning c.site_id
  )
  select array_agg(g.site_id) into chats from gone g;
  return note_removed('review addresses', reviews) + note_removed('chat addresses', chats);
end
$$;

create or replace function forget_deleted_texts(p_most int) returns bigint language plpgsql as $$
declare
  sites int[];
  n bigint;
begin
  with gone as (
    update comment c set src = '', html = '', ip = null where (c.site_id, c.id) in (
      select x.site_id, x.id from privacy_rule r join comment x on x.site_id = r.site_id
      where r.deleted_months > 0 and x.status = 4 and (x.src <> '' or x.html <> '' or exists (
          select from comment_kept k where k.site_id = x.site_id and k.comment_id = x.id))
        and x.modified_at < now() - make_interval(months => r.deleted_months)
      limit p_most)
    returning c.site_id, c.id
  ), texts as (
    select g.site_id, forget_comment_text(g.site_id, g.id) from gone g
  )
  select array_agg(t.site_id) into sites from texts t;
  n := note_removed('deleted texts', sites);
  -- The same of reviews.
  with old as materialized (
    select x.site_id, x.id from privacy_rule r join review x on x.site_id = r.site_id
    where r.deleted_months > 0 and x.status = 4 and not x.wiped
      and x.modified_at < now() - make_interval(months => r.deleted_months)
    limit p_most
  ), texts as materialized (
    select o.site_id, wipe_review(o.site_id, o.id) from old o
  )
  select array_agg(t.site_id) into sites from texts t;
  return n + note_removed('deleted reviews', sites);
end
$$;

-- The log of what staff did.
create or replace function forget_audit(p_most int) returns bigint language plpgsql as $$
declare
  sites int[];
begin
  with gone as (
    delete from audit a where (a.site_id, a.id) in (
      select x.site_id, x.id from privacy_rule r join lateral (
        select y.site_id, y.id from audit y where y.site_id = r.site_id
          and y.at < now() - make_interval(months => r.audit_months)
        order by y.id limit p_most
      ) x on true
      where r.audit_months > 0 limit p_most)
    returning a.site_id
  )
  select array_agg(g.site_id) into sites from gone g;
  return note_removed('lines of the log', sites);
end
$$;

-- Store addresses without their last part where the site wants that. The plan is kept also within functions that have
-- theirs made anew each time.
create or replace function truncate_addresses() returns trigger language plpgsql set plan_cache_mode = force_generic_plan as $$
begin
  if exists (select from privacy_rule r where r.site_id = new.site_id and r.truncated) then
    if tg_table_name = 'visitor' then
      new.first_ip := truncated_address(new.first_ip);
      new.last_ip := truncated_address(new.last_ip);
    else
      new.ip := truncated_address(new.ip);
    end if;
  end if;
  return new;
end
$$;
