-- Reports of people's pictures: made by visitors, decided by moderators.
-- cackled: revision 2

-- Which picture a person shows, as `author_extra` chooses it; '' for none, and for those of staff, which are no visitors'.
create or replace function picture_source(p person) returns text language sql immutable parallel safe as $$
  select case when p.staff_picture <> '' then '' when p.picture <> '' then 'own:' || p.picture
    when p.avatar <> '' then 'web:' || p.avatar
    when p.gravatar and p.email_verified and p.email <> '' then 'mail:' || md5(lower(p.email)) else '' end
$$;

-- A person by name and mail, with the picture that they show; an imported author, who is none, with what their import brought.
create or replace function pictured(p_site int, p_visitor bigint) returns table (name text, email text, source text)
language sql stable as $$
  select p.name, p.email, picture_source(p) from person p where p.site_id = p_site and p.visitor_id = p_visitor
  union all
  (select a.name, a.email, case when a.picture = '' then '' else 'own:' || a.picture end from import_author a
   where a.site_id = p_site and a.visitor_id = p_visitor
     and not exists (select from person p where p.site_id = p_site and p.visitor_id = p_visitor)
   order by a.picture = '' limit 1)
$$;

-- Report the picture of p_visitor; each reporter counts once for each picture. Of somebody whom nobody is to hear nothing
-- is kept.
create or replace function flag_picture(p_site int, p_visitor bigint, p_by bigint, p_ip inet, p_reason text)
returns void language plpgsql as $$
declare
  banned text := ban_of(p_site, '', p_by, p_ip);
  shown text;
  report bigint;
begin
  if banned = 'ban' then
    raise exception using errcode = 'CK403', message = 'banned';
  end if;
  perform from person x where x.site_id = p_site and x.visitor_id = p_visitor for share;
  select x.source into shown from pictured(p_site, p_visitor) x;
  if coalesce(shown, '') = '' or p_by = p_visitor then
    raise exception using errcode = 'CK404', message = 'picture';
  elsif banned is not null then
    return;
  end if;
  insert into picture_report as r (site_id, id, visitor_id, source) values (p_site, next_id(0), p_visitor, shown)
  on conflict (site_id, visitor_id, md5(source)) do update set status = r.status returning r.id into report;
  insert into picture_flag (site_id, report_id, visitor_id, reason) values (p_site, report, p_by, p_reason)
  on conflict do nothing;
  if found then
    update picture_report r set n_flags = r.n_flags + 1, status = 0, seen = false, version = r.version + 1
    where r.site_id = p_site and r.id = report;
    perform tell_staff(p_site, 'item.queued', format('{"item":"picture:%s","state":"pending"}', report));
  end if;
end
$$;

-- Show a person's picture p_source no more: one that they uploaded is removed, one elsewhere is not shown again when
-- whoever signs them in tells of it once more.
create or replace function remove_person_picture(p_site int, p_visitor bigint, p_source text) returns void
language plpgsql as $$
begin
  update person p set
    picture = case when p_source like 'own:%' then '' else p.picture end,
    barred_avatar = case when p_source like 'web:%' then p.avatar else p.barred_avatar end,
    avatar = case when p_source like 'web:%' then '' else p.avatar end,
    gravatar = p.gravatar and p_source not like 'mail:%'
  where p.site_id = p_site and p.visitor_id = p_visitor and picture_source(p) = p_source;
  if found then
    insert into outbox (site_id, kind, body) values (p_site, 'people', concat('{"visitor":"', p_visitor, '","from":"0"}'));
    return;
  end if;
  update import_author a set picture = ''
  where a.site_id = p_site and a.visitor_id = p_visitor and a.picture <> '' and 'own:' || a.picture = p_source;
end
$$;

-- Do p_deed with a reported picture: keep it (approve), or remove it. Outcomes as for `decide_comment`.
create or replace function decide_picture(
  p_site int, p_item bigint, p_version int, p_deed text, p_action bigint, p_name text
) returns table (outcome text, version int, state text) language plpgsql as $$
declare
  r picture_report;
  before text;
  to_status int := case p_deed when 'approve' then 1 when 'spam' then 2 when 'reject' then 3 when 'delete' then 4 end;
begin
  select * into r from picture_report x where x.site_id = p_site and x.id = p_item for update;
  if not found then
    outcome := 'gone';
    return next;
    return;
  end if;
  outcome := 'done';
  if p_version is not null and r.version <> p_version then
    outcome := 'conflict';
  -- What was removed is there no more: it can't be kept.
  elsif r.status > 1 and to_status = 1 then
    outcome := 'gone';
  elsif r.seen and (to_status is null or to_status = r.status) then
    outcome := 'same';
  end if;
  if outcome = 'done' then
    before := jsonb_build_object('status', r.status, 'seen', r.seen, 'flags', r.n_flags,
                                 'to', coalesce(to_status, r.status))::text;
    if to_status > 1 then
      perform remove_person_picture(p_site, r.visitor_id, r.source);
    end if;
    update picture_report x set version = x.version + 1, seen = true, status = coalesce(to_status, x.status),
      n_flags = case when to_status = 1 then 0 else x.n_flags end
    where x.site_id = p_site and x.id = p_item returning x.* into r;
    perform note_step(p_site, p_action, 'picture:' || p_item, p_deed, p_name, before, r.version, status_name(r.status));
  end if;
  version := r.version;
  state := status_name(r.status);
  return next;
end
$$;

-- Undo what an action did to a reported picture, if nothing was done since. One that was uploaded and removed is gone;
-- one elsewhere is shown again.
create or replace function undo_picture(p_site int, p_item bigint, p_action bigint, p_name text)
returns table (outcome text, version int, state text) language plpgsql as $$
declare
  r picture_report;
  s moderation_step;
  before json;
begin
  select * into s from moderation_step x where x.site_id = p_site and x.action_id = p_action
    and x.item = 'picture:' || p_item;
  select * into r from picture_report x where x.site_id = p_site and x.id = p_item for update;
  if r.id is null or s.item is null then
    outcome := 'gone';
    return next;
    return;
  end if;
  before := s.before::json;
  outcome := case when s.undone then 'same' when r.version <> s.version then 'conflict'
    when r.status > 1 and (before ->> 'status')::int < 2 and r.source like 'own:%' then 'gone' else 'done' end;
  if outcome = 'done' then
    if r.status > 1 and (before ->> 'status')::int < 2 then
      update person p set
        avatar = case when r.source = 'web:' || p.barred_avatar then p.barred_avatar else p.avatar end,
        barred_avatar = case when r.source = 'web:' || p.barred_avatar then '' else p.barred_avatar end,
        gravatar = p.gravatar or r.source like 'mail:%'
      where p.site_id = p_site and p.visitor_id = r.visitor_id;
      insert into outbox (site_id, kind, body)
      values (p_site, 'people', concat('{"visitor":"', r.visitor_id, '","from":"0"}'));
    end if;
    update picture_report x set version = x.version + 1, status = (before ->> 'status')::int,
      seen = (before ->> 'seen')::boolean, n_flags = (before ->> 'flags')::int
    where x.site_id = p_site and x.id = p_item returning x.* into r;
    update moderation_step x set undone = true where x.site_id = p_site and x.action_id = p_action
      and x.item = 'picture:' || p_item;
    perform tell_staff(p_site, 'item.decided', json_build_object(
      'item', 'picture:' || p_item, 'action', 'undo', 'by', p_name, 'state', status_name(r.status),
      'version', r.version, 'decision', p_action::text)::text);
  end if;
  version := r.version;
  state := status_name(r.status);
  return next;
end
$$;

-- The numbers of reports that are looked for, the newest first; p_find has members that `find_comments` takes. What
-- waits, and shows another picture by now, is nobody's matter. To be run for all sites; p_site is the only one it looks at.
create or replace function find_picture_reports(p_site int, p_find text, p_limit int) returns setof bigint
language sql stable as $$
  with f as materialized (select p_find::json as j)
  select r.id
  from f, picture_report r cross join lateral pictured(p_site, r.visitor_id) p
  where r.site_id = p_site
    and (r.status > 0 or p.source = r.source)
    and (j -> 'states' is null or r.status in (select x::int from json_array_elements_text(j -> 'states') x))
    and (j ->> 'unseen' is null or (not r.seen and r.status < 2))
    and (j ->> 'flagged' is null or (r.status < 2 and r.n_flags > 0))
    and (j ->> 'before' is null or r.id < (j ->> 'before')::bigint)
    and (j ->> 'after' is null or r.id > (j ->> 'after')::bigint)
    and (j ->> 'visitor' is null or r.visitor_id = (j ->> 'visitor')::bigint)
    and (j ->> 'since' is null or r.created_at >= (j ->> 'since')::timestamptz)
    and (j ->> 'until' is null or r.created_at < (j ->> 'until')::timestamptz)
    and (j ->> 'days' is null or r.created_at > now() - make_interval(secs => (j ->> 'days')::float8 * 86400))
    and not exists (select from json_array_elements_text(j -> 'authors') x
                    where lower(x) <> all(string_to_array(lower(p.name), ' ')))
    and (j ->> 'ban_name' is null or lower(p.name) = lower(j ->> 'ban_name'))
    and (j ->> 'ban_mail' is null or regexp_replace(lower(p.email), '[+][^@]*@', '@') = j ->> 'ban_mail')
    and (j ->> 'ban_domain' is null or split_part(lower(p.email), '@', 2) = j ->> 'ban_domain')
  order by r.id desc limit p_limit
$$;

-- Forget what a visitor reported, and reports of their own picture.
create or replace function erase_picture_reports(p_site int, p_visitor bigint, p_most int)
returns table (channel bigint, seq bigint) language plpgsql as $$
begin
  perform erase_alone(p_site);
  with gone as (
    delete from picture_flag f where f.site_id = p_site and f.visitor_id = p_visitor returning f.report_id
  )
  update picture_report r set n_flags = greatest(0, r.n_flags - 1) from gone
  where r.site_id = p_site and r.id = gone.report_id;
  with gone as (
    delete from picture_report r where r.site_id = p_site and r.visitor_id = p_visitor returning r.id
  )
  delete from picture_flag f using gone where f.site_id = p_site and f.report_id = gone.id;
end
$$;
