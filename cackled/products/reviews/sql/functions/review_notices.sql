-- What moderators are written of.
-- cackled: revision 1

-- Whether a review is one that moderators want mail of. p_level: 'pending' (it waits, or a change of it), 'low' (also one
-- or two stars), 'all', or ''.
create or replace function review_noticed(r review, p_level text) returns boolean language sql stable as $$
  select p_level <> '' and r.status in (0, 1) and not r.shadow and (
    p_level = 'all' or r.status = 0 or p_level = 'low' and r.star <= 2 and r.kind = 0
    or exists (select from review_revision v where v.site_id = r.site_id and v.review_id = r.id))
$$;

-- Write to moderators of a review in a minute, together with those that come until then. p_review: its JSON.
create or replace function mail_review(p_site int, p_review text, p_level text) returns void language sql as $$
  insert into outbox (site_id, kind, body, next_at)
  select p_site, 'review-notice', format('{"id":"%s"}', r.id), now() + interval '1 minute'
  from review r
  where p_level <> '' and r.site_id = p_site and r.id = (p_review::json ->> 'id')::bigint and review_noticed(r, p_level)
    and not exists (
      select from outbox x where x.site_id = p_site and x.kind = 'review-notice' and x.done_at is null
        and x.dead_at is null and x.tries = 0)
$$;
