-- Rules are kept, and the spam filter learns.
-- cackled: revision 2

-- p_version: of the rules that were changed; gives the new version, and raises CK412 where others changed them since.
create or replace function keep_rules(p_site int, p_version bigint, p_rules text, p_by text, p_shared boolean)
returns bigint language plpgsql as $$
declare
  made bigint;
begin
  if p_version = 0 then
    insert into moderation_rules (site_id, version, rules, changed_by) values (p_site, 1, p_rules, p_by)
    on conflict do nothing returning version into made;
  else
    update moderation_rules x set version = x.version + 1, rules = p_rules, changed_by = p_by, changed_at = now()
    where x.site_id = p_site and x.version = p_version returning x.version into made;
  end if;
  if made is null then
    raise exception using errcode = 'CK409', message = 'changed';
  end if;
  insert into spam_filter as f (site_id, shared) values (p_site, p_shared)
  on conflict (site_id) do update set shared = excluded.shared, changed_at = now()
  where f.shared is distinct from excluded.shared;
  return made;
end
$$;

-- A moderator's decision that the filter learns from: spam, not spam, or (null) neither, which takes a lesson back.
-- Called in the transaction of the decision; the learning itself comes later.
create or replace function teach(p_site int, p_kind text, p_item bigint, p_visitor bigint, p_spam boolean)
returns void language sql as $$
  insert into spam_lesson as l (site_id, kind, item, visitor_id, spam)
  select p_site, p_kind, p_item, p_visitor, p_spam
  where p_spam is not null or exists (
    select from spam_lesson x where x.site_id = p_site and x.kind = p_kind and x.item = p_item)
  on conflict (site_id, kind, item) do update set spam = excluded.spam, decided_at = now()
  where l.spam is distinct from excluded.spam;
  -- A service that the site asks is told where it was wrong (`cackled.moderation.feedback`).
  insert into outbox (site_id, kind, body)
  select p_site, 'akismet', json_build_object('kind', p_kind, 'item', p_item, 'spam', p_spam)::text
  from moderation_rules r where r.site_id = p_site and p_spam is not null and r.rules::json #>> '{akismet,url}' <> ''
$$;

-- Learn what is to be learnt of these items. p_buckets: for each, its buckets with commas between; '' where the lesson
-- has them already, null where the item's words are gone. Done twice, or by two at once, it is done once. Gives the
-- filter's new version; null where there was nothing to do.
create or replace function learn(p_site int, p_kind text, p_items bigint[], p_buckets text[])
returns bigint language plpgsql as $$
declare
  made bigint;
begin
  insert into spam_filter (site_id) values (p_site) on conflict do nothing;
  -- One learns at a time.
  perform from spam_filter f where f.site_id = p_site for no key update;
  delete from spam_lesson l using unnest(p_items, p_buckets) x (item, buckets)
  where l.site_id = p_site and l.kind = p_kind and l.item = x.item and l.buckets is null and l.learnt is null
    and (x.buckets is null or l.spam is null);
  update spam_lesson l set buckets = string_to_array(x.buckets, ',')::int[]
  from unnest(p_items, p_buckets) x (item, buckets)
  where l.site_id = p_site and l.kind = p_kind and l.item = x.item and l.buckets is null and x.buckets <> '';
  if not exists (
    select from spam_lesson l
    where l.site_id = p_site and l.kind = p_kind and l.item = any(p_items) and l.spam is distinct from l.learnt
      and l.buckets is not null
  ) then
    return null;
  end if;
  update spam_filter f set version = f.version + 1, changed_at = now(),
    spam = greatest(0, f.spam + d.spam), ham = greatest(0, f.ham + d.ham)
  from (
    select sum((l.spam is true)::int - (l.learnt is true)::int)::int as spam,
           sum((l.spam is false)::int - (l.learnt is false)::int)::int as ham
    from spam_lesson l
    where l.site_id = p_site and l.kind = p_kind and l.item = any(p_items) and l.spam is distinct from l.learnt
      and l.buckets is not null
  ) d
  where f.site_id = p_site returning f.version into made;
  insert into spam_count as c (site_id, bucket, spam, ham, version)
  select p_site, b.bucket, sum((l.spam is true)::int - (l.learnt is true)::int),
         sum((l.spam is false)::int - (l.learnt is false)::int), made
  from spam_lesson l, unnest(l.buckets) b (bucket)
  where l.site_id = p_site and l.kind = p_kind and l.item = any(p_items) and l.spam is distinct from l.learnt
  group by b.bucket order by b.bucket
  on conflict (site_id, bucket) do update set spam = greatest(0, c.spam + excluded.spam),
    ham = greatest(0, c.ham + excluded.ham), version = excluded.version;
  update spam_lesson l set learnt = l.spam
  where l.site_id = p_site and l.kind = p_kind and l.item = any(p_items) and l.spam is distinct from l.learnt
    and l.buckets is not null;
  return made;
end
$$;

-- What a filter has counted since a version, packed: bucket, spam, ham (int4 each).
create or replace function spam_counts(p_site int, p_version bigint) returns bytea language sql stable as $$
  select coalesce(string_agg(int4send(bucket) || int4send(spam) || int4send(ham), ''::bytea), '')
  from spam_count where site_id = p_site and version > p_version
$$;

-- The part that the sites of this database have in the shared prior: of each bucket of a range how many sites know it,
-- the sums of its shares of their spam and of the rest, and how often it was seen.
create or replace function spam_shares(p_from int, p_to int, p_least int)
returns table (bucket int, sites int, spam float8, ham float8, seen float8) language sql stable as $$
  select c.bucket, count(*)::int, sum(c.spam / f.spam::float8), sum(c.ham / f.ham::float8), sum(c.spam + c.ham)::float8
  from spam_count c join spam_filter f on f.site_id = c.site_id
  where f.shared and f.spam >= p_least and f.ham >= p_least and c.bucket >= p_from and c.bucket < p_to
    and c.spam + c.ham > 0
  group by c.bucket
$$;

-- As `cackled.domain.erasure.Erasable` wants it: what a visitor's texts taught the filter can't be told from it any more.
create or replace function erase_lessons(p_site int, p_visitor bigint, p_most int)
returns table (channel bigint, seq bigint) language plpgsql as $$
declare
  done int;
begin
  perform erase_alone(p_site);
  delete from spam_lesson l where l.site_id = p_site and l.visitor_id = p_visitor and (l.kind, l.item) in (
    select x.kind, x.item from spam_lesson x where x.site_id = p_site and x.visitor_id = p_visitor limit p_most);
  get diagnostics done = row_count;
  if done >= p_most then
    return next;
  end if;
end
$$;
