-- Visitors who sign in: whose identity is whose, and what a visitor wrote before.
-- cackled: revision 5

-- Somebody showed who they are: p_subject is the provider's own name for them. Gives the person, who is made where there
-- is none: the guest p_guest (0: nobody) where that is no person yet, else the visitor p_new. A verified address of mail
-- that a person of the site has, verified as well, is the same person. What is said of the person is kept where nothing
-- newer was said; the name only where p_level is 2 (the site's own server) or there was none.
-- carry: the guest whose comments are to follow, or null. changed: what comments show of the person is another now.
create or replace function sign_in(
  p_site int, p_provider text, p_subject text, p_guest bigint, p_new bigint, p_level int, p_name text, p_skeleton text,
  p_email text, p_verified boolean, p_avatar text, p_url text, p_groups text[], p_badges text[], p_staff text,
  p_stated timestamptz
) returns table (visitor bigint, groups text[], staff text, carry bigint, changed boolean) language plpgsql as $$
#variable_conflict use_column
declare
  v bigint;
  before text;
  old_name text;
  p person;
begin
  perform pg_advisory_xact_lock(1667329382, hashtext(concat(p_site, ' ', p_provider, ' ', p_subject)));
  select x.visitor_id into v from person_identity x
  where x.site_id = p_site and x.provider = p_provider and x.subject = p_subject;
  if v is null and p_verified and p_email <> '' then
    select x.visitor_id into v from person x
    where x.site_id = p_site and lower(x.email) = lower(p_email) and x.email_verified order by x.created_at limit 1;
  end if;
  if v is null then
    v := case when p_guest = 0 or exists (select from person x where x.site_id = p_site and x.visitor_id = p_guest)
                or exists (select from erasure x where x.site_id = p_site and x.visitor_id = p_guest)
         then p_new else p_guest end;
  end if;
  insert into person_identity (site_id, provider, subject, visitor_id) values (p_site, p_provider, p_subject, v)
  on conflict (site_id, provider, subject) do update set seen_at = now();
  select x.name, author_extra(p_site, v) into old_name, before from person x
  where x.site_id = p_site and x.visitor_id = v for no key update;
  insert into person as x (site_id, visitor_id, name, skeleton, email, email_verified, avatar, url, groups, badges, staff,
                           level, stated_at)
  values (p_site, v, p_name, p_skeleton, p_email, p_verified, p_avatar, p_url, p_groups, p_badges, p_staff, p_level,
          p_stated)
  on conflict (site_id, visitor_id) do update set
    name = case when p_level = 2 or x.name = '' then excluded.name else x.name end,
    skeleton = case when p_level = 2 or x.name = '' then excluded.skeleton else x.skeleton end,
    email = case when p_email = '' or (x.email_verified and not p_verified) then x.email else p_email end,
    email_verified = x.email_verified or (p_verified and p_email <> ''),
    -- One that moderators removed is not shown again.
    avatar = case when p_avatar <> '' and p_avatar = x.barred_avatar then ''
      when p_level = 2 or p_avatar <> '' then p_avatar else x.avatar end,
    url = case when p_level = 2 or p_url <> '' then p_url else x.url end,
    groups = case when p_level = 2 then excluded.groups else x.groups end,
    badges = case when p_level = 2 then excluded.badges else x.badges end,
    staff = case when p_level = 2 then excluded.staff else x.staff end,
    level = greatest(x.level, p_level), stated_at = p_stated, seen_at = now()
  where x.stated_at <= p_stated;
  select * into p from person x where x.site_id = p_site and x.visitor_id = v;
  visitor := v;
  groups := p.groups;
  staff := p.staff;
  carry := case when p_guest <> 0 and p_guest <> v
    and not exists (select from person x where x.site_id = p_site and x.visitor_id = p_guest) then p_guest end;
  -- A guest's own comments get the person's name and picture.
  changed := exists (select from visitor x where x.site_id = p_site and x.id = v)
    and (old_name is distinct from p.name or before is distinct from author_extra(p_site, v));
  return next;
end
$$;

-- What comments show of their author beside id and name: members of JSON, '' of a guest.
create or replace function author_extra(p_site int, p_visitor bigint) returns text language sql stable as $$
  select concat(
    ',"avatar":', case when p.staff_picture <> '' then concat('"/avatar/staff/', p.staff_picture, '"')
                  when p.picture <> '' or p.avatar <> '' or (p.gravatar and p.email_verified)
                  then concat('"/avatar/', p_site, '/', p_visitor, '"') else 'null' end,
    ',"badges":', (
      select coalesce(json_agg(b order by n), '[]') from (
        select 'staff' as b, 0 as n where p.staff <> ''
        union all select 'verified', 1 where p.email_verified or p.level = 2
        union all select 'first-week', 2 where p.created_at > now() - interval '7 days'
        union all select x.b, 2 + x.n from unnest(p.badges) with ordinality x (b, n)
          where x.b not in ('staff', 'verified', 'first-week')
      ) y))
  from person p where p.site_id = p_site and p.visitor_id = p_visitor
$$;

-- Whether a guest must not go by a name that looks like p_skeleton, and whether p_visitor is a person.
create or replace function name_taken(p_site int, p_visitor bigint, p_skeleton text)
returns table (taken boolean, person boolean) language sql stable as $$
  select exists (select from person x where x.site_id = p_site and x.skeleton = p_skeleton),
         exists (select from person x where x.site_id = p_site and x.visitor_id = p_visitor)
$$;

-- What is kept of a person is forgotten; comments and votes go by functions of their own.
create or replace function forget_person(p_site int, p_visitor bigint) returns void language sql as $$
  delete from person x where x.site_id = p_site and x.visitor_id = p_visitor;
  delete from person_identity x where x.site_id = p_site and x.visitor_id = p_visitor;
$$;

-- What is a guest's beside what products keep becomes the person's.
create or replace function carry_guest(p_site int, p_visitor bigint, p_from bigint) returns void language plpgsql as $$
begin
  perform erase_alone(p_site);
  if exists (select from person x where x.site_id = p_site and x.visitor_id = p_from) then
    return;
  end if;
  insert into block (site_id, visitor_id, author_id)
  select p_site, case x.visitor_id when p_from then p_visitor else x.visitor_id end,
         case x.author_id when p_from then p_visitor else x.author_id end
  from block x where x.site_id = p_site and p_from in (x.visitor_id, x.author_id)
    and p_visitor not in (x.visitor_id, x.author_id) on conflict do nothing;
  delete from block x where x.site_id = p_site and p_from in (x.visitor_id, x.author_id);
  -- Signing in lifts no ban.
  insert into ban (site_id, kind, value, until, note)
  select p_site, 'visitor', p_visitor::text, x.until, x.note from ban x
  where x.site_id = p_site and x.kind = 'visitor' and x.value = p_from::text on conflict do nothing;
  insert into visitor as y (site_id, id, name, first_ip, last_ip, n_comments, created_at)
  select p_site, p_visitor, x.name, x.first_ip, x.last_ip, x.n_comments, x.created_at from visitor x
  where x.site_id = p_site and x.id = p_from
  on conflict (site_id, id) do update set n_comments = y.n_comments + excluded.n_comments,
    created_at = least(y.created_at, excluded.created_at);
  delete from visitor x where x.site_id = p_site and x.id = p_from;
  -- What is imported of them from here on is the person's at once.
  update import_author x set visitor_id = p_visitor where x.site_id = p_site and x.visitor_id = p_from;
  perform carry_shares(p_site, p_visitor, p_from);
end
$$;
