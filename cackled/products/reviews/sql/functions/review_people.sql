-- Reviews forget a visitor, follow who signs in, and are recounted.
-- cackled: revision 2

-- Take a visitor's vote on a review back; p_value as it was counted. Gives the number of the channel where that shows.
create or replace function drop_review_vote(p_site int, p_channel bigint, p_id bigint, p_visitor bigint, p_value int)
returns bigint language plpgsql as $$
declare
  r review;
begin
  delete from review_vote x where x.site_id = p_site and x.channel_id = p_channel and x.visitor_id = p_visitor
    and x.review_id = p_id;
  if p_value = 0 then
    return null;
  end if;
  select * into r from review x where x.site_id = p_site and x.id = p_id;
  if r.status = 1 then
    return tell_review_votes(p_site, p_id, r.up - (p_value = 1)::int, r.down - (p_value = -1)::int);
  end if;
  update review x set up = x.up - (p_value = 1)::int, down = x.down - (p_value = -1)::int,
    rank = helpful_rank(x.up - (p_value = 1)::int, x.down - (p_value = -1)::int)
  where x.site_id = p_site and x.id = p_id;
  return null;
end
$$;

-- As `cackled.domain.erasure.Erasable` wants it: words, name and address go, votes and reports too. Stars go with the
-- review.
create or replace function erase_reviews(p_site int, p_visitor bigint, p_most int)
returns table (channel bigint, seq bigint) language plpgsql as $$
declare
  r review;
  v record;
  n int := 0;
begin
  perform erase_alone(p_site);
  perform forget_review_orders(p_site, p_visitor);
  for r in select x.* from review x where x.site_id = p_site and x.visitor_id = p_visitor
      and (x.status <> 4 or not x.wiped or x.author_name <> '' or x.ip is not null)
      order by x.channel_id, x.id desc limit p_most loop
    n := n + 1;
    channel := r.channel_id;
    perform from channel x where x.site_id = p_site and x.id = channel for no key update;
    seq := set_review_status(p_site, r.id, 4, '', false);
    perform wipe_review(p_site, r.id);
    delete from review_change x where x.site_id = p_site and x.review_id = r.id;
    update review x set author_name = '', author_extra = '', ip = null, reason = ''
    where x.site_id = p_site and x.id = r.id;
    if r.status = 1 then
      return next;
    end if;
  end loop;
  for v in select x.channel_id, x.review_id, x.value * x.counted::int as value from review_vote x
      where x.site_id = p_site and x.visitor_id = p_visitor order by x.channel_id, x.review_id limit p_most - n loop
    n := n + 1;
    channel := v.channel_id;
    perform from channel x where x.site_id = p_site and x.id = channel for no key update;
    seq := drop_review_vote(p_site, channel, v.review_id, p_visitor, v.value);
    if seq is not null then
      return next;
    end if;
  end loop;
  if n >= p_most then
    channel := null;
    seq := null;
    return next;
    return;
  end if;
  with gone as (
    delete from review_flag x where x.site_id = p_site and x.visitor_id = p_visitor returning x.review_id, x.counted
  )
  update review x set n_flags = greatest(0, x.n_flags - 1) from gone g
  where x.site_id = p_site and x.id = g.review_id and g.counted;
end
$$;

-- Show a person's name and picture as they are now on what they wrote, as `spread_comments`.
create or replace function spread_reviews(p_site int, p_visitor bigint, p_most int)
returns table (channel bigint, seq bigint) language plpgsql as $$
declare
  r review;
  who text;
  extra text;
  n int := 0;
begin
  perform erase_alone(p_site);
  select x.name, author_extra(p_site, p_visitor) into who, extra from person x
  where x.site_id = p_site and x.visitor_id = p_visitor;
  if not found then
    return;
  end if;
  for r in select x.* from review x where x.site_id = p_site and x.visitor_id = p_visitor and x.status <> 4
      and (x.author_name <> who or strip_first_week(x.author_extra) <> strip_first_week(extra))
      order by x.channel_id, x.id desc limit p_most loop
    n := n + 1;
    channel := r.channel_id;
    perform from channel x where x.site_id = p_site and x.id = channel for no key update;
    update review x set author_name = who, modified_at = now(), author_extra =
      case when strpos(x.author_extra, '"first-week"') > 0 or x.author_extra = '' then extra
      else strip_first_week(extra) end
    where x.site_id = p_site and x.id = r.id returning * into r;
    update review x set lexemes = review_lexemes(r) where x.site_id = p_site and x.id = r.id;
    continue when r.status <> 1;
    seq := advance_seq(p_site, channel);
    perform replace_event_words(p_site, channel, 'review', r.id, r.created_at, question_json(r), null);
    perform announce(p_site, channel, seq, 'review.updated', review_told(r), false);
    return next;
  end loop;
  if n >= p_most then
    channel := null;
    seq := null;
    return next;
  end if;
end
$$;

-- What a guest wrote and voted is the person's that they turned out to be. Where both have reviewed a page, the person's
-- review stands and the guest's goes: nobody counts twice.
create or replace function carry_reviews(p_site int, p_person bigint, p_guest bigint, p_most int)
returns table (channel bigint, seq bigint) language plpgsql as $$
declare
  r review;
  v record;
  n int := 0;
begin
  perform erase_alone(p_site);
  if not exists (select from person x where x.site_id = p_site and x.visitor_id = p_person)
      or exists (select from person x where x.site_id = p_site and x.visitor_id = p_guest) then
    return;
  end if;
  for r in select x.* from review x where x.site_id = p_site and x.visitor_id = p_guest
      order by x.channel_id, x.id desc limit p_most loop
    n := n + 1;
    channel := r.channel_id;
    perform from channel x where x.site_id = p_site and x.id = channel for no key update;
    if r.kind = 0 and r.status <> 4 and exists (
      select from review x where x.site_id = p_site and x.channel_id = channel and x.visitor_id = p_person and x.kind = 0
        and x.status <> 4
    ) then
      seq := set_review_status(p_site, r.id, 4, '', false);
      perform wipe_review(p_site, r.id);
      perform note_review(p_site, r.id, 'author', 'delete', 'merged', '', '');
      if r.status = 1 then
        return next;
      end if;
    end if;
    update review x set visitor_id = p_person, author_extra = coalesce(author_extra(p_site, p_person), ''),
      author_name = (select y.name from person y where y.site_id = p_site and y.visitor_id = p_person), modified_at = now()
    where x.site_id = p_site and x.id = r.id returning * into r;
    update review x set lexemes = review_lexemes(r) where x.site_id = p_site and x.id = r.id and not x.wiped;
    -- Nobody votes for themselves.
    for v in select x.value * x.counted::int as value from review_vote x where x.site_id = p_site
        and x.channel_id = r.channel_id and x.visitor_id = p_person and x.review_id = r.id loop
      perform drop_review_vote(p_site, channel, r.id, p_person, v.value);
    end loop;
    continue when r.status <> 1;
    select x.* into r from review x where x.site_id = p_site and x.id = r.id;
    seq := advance_seq(p_site, channel);
    perform replace_event_words(p_site, channel, 'review', r.id, r.created_at, question_json(r), null);
    perform announce(p_site, channel, seq, 'review.updated', review_told(r), false);
    return next;
  end loop;
  for v in select x.channel_id, x.review_id, x.value * x.counted::int as value from review_vote x
      where x.site_id = p_site and x.visitor_id = p_guest order by x.channel_id, x.review_id limit p_most - n loop
    n := n + 1;
    channel := v.channel_id;
    perform from channel x where x.site_id = p_site and x.id = channel for no key update;
    if exists (select from review_vote x where x.site_id = p_site and x.channel_id = channel
               and x.visitor_id = p_person and x.review_id = v.review_id)
        or exists (select from review x where x.site_id = p_site and x.id = v.review_id and x.visitor_id = p_person) then
      seq := drop_review_vote(p_site, channel, v.review_id, p_guest, v.value);
      if seq is not null then
        return next;
      end if;
    else
      update review_vote x set visitor_id = p_person where x.site_id = p_site and x.channel_id = channel
        and x.visitor_id = p_guest and x.review_id = v.review_id;
    end if;
  end loop;
  if n >= p_most then
    channel := null;
    seq := null;
    return next;
    return;
  end if;
  insert into review_flag (site_id, review_id, visitor_id, reason, created_at, counted)
  select x.site_id, x.review_id, p_person, x.reason, x.created_at, x.counted from review_flag x
  where x.site_id = p_site and x.visitor_id = p_guest on conflict do nothing;
  with gone as (
    delete from review_flag x where x.site_id = p_site and x.visitor_id = p_guest returning x.review_id
  )
  update review x set n_flags = (
    select count(*) from review_flag f where f.site_id = p_site and f.review_id = x.id and f.visitor_id <> p_guest
      and f.counted)
  where x.site_id = p_site and x.id in (select g.review_id from gone g);
end
$$;

-- What is counted of a page, made from its reviews alone: its summary and its criteria, with no times.
create or replace function counted_reviews(p_site int, p_channel bigint) returns text language sql stable as $$
  select json_build_array(
    count(*) filter (where k), coalesce(sum(r.star) filter (where k), 0),
    json_build_array(count(*) filter (where k and r.star = 1), count(*) filter (where k and r.star = 2),
      count(*) filter (where k and r.star = 3), count(*) filter (where k and r.star = 4),
      count(*) filter (where k and r.star = 5)),
    count(*) filter (where v and r.recommend), count(*) filter (where v and r.recommend is not null),
    count(*) filter (where v and r.verified <> ''), count(*) filter (where v and r.media @? '$[*].url ? (@ != "")'),
    count(*) filter (where k and r.source = '' and not r.staff),
    coalesce(sum(r.star) filter (where k and r.source = '' and not r.staff), 0),
    count(*) filter (where v and r.star is null), count(*) filter (where r.status = 1 and r.kind = 1),
    count(*) filter (where r.status = 0),
    (select json_agg(json_build_array(y.key, y.n, y.total) order by y.key) from (
       select e.key, count(*) as n, sum(e.value::int) as total from review x, jsonb_each_text(x.criteria) e
       where x.site_id = p_site and x.channel_id = p_channel and x.status = 1 and x.kind = 0 group by 1) y)
  )::text
  from (select x.*, x.status = 1 and x.kind = 0 as v, x.status = 1 and x.kind = 0 and x.star is not null as k
        from review x where x.site_id = p_site and x.channel_id = p_channel) r
$$;
-- The same as it is kept.
create or replace function kept_review_counts(p_site int, p_channel bigint) returns text language sql stable as $$
  select json_build_array(s.n, s.total, json_build_array(s.hist[1], s.hist[2], s.hist[3], s.hist[4], s.hist[5]),
    s.recommend, s.recommend_of, s.verified, s.with_media, s.own_n, s.own_total, s.unrated, s.questions, s.pending,
    (select json_agg(json_build_array(c.criterion, c.n, c.total) order by c.criterion) from review_criterion c
     where c.site_id = p_site and c.channel_id = p_channel and c.n > 0))::text
  from review_summary s where s.site_id = p_site and s.channel_id = p_channel
$$;

-- Make the summary of a page from its reviews, and tell the page; its channel's row is locked. Gives its number.
create or replace function remake_review_summary(p_site int, p_channel bigint) returns bigint language plpgsql as $$
declare
  seq bigint := advance_seq(p_site, p_channel);
begin
  delete from review_criterion x where x.site_id = p_site and x.channel_id = p_channel;
  update review_summary x set n = 0, total = 0, hist = '{0,0,0,0,0}', recommend = 0, recommend_of = 0, verified = 0,
    with_media = 0, own_n = 0, own_total = 0, unrated = 0, questions = 0, pending = 0
  where x.site_id = p_site and x.channel_id = p_channel;
  perform count_reviews('{}', array(select x from review x where x.site_id = p_site and x.channel_id = p_channel));
  perform announce(p_site, p_channel, seq, 'summary.updated',
                   format('{"summary":%s}', review_summary_json(p_site, p_channel)), false);
  return seq;
end
$$;

-- Compare what is counted of one page that changed since its last recount with its reviews; put it right and tell it where
-- it differs. checked: whether there was one.
create or replace function recount_reviews() returns table (checked int, wrong int) language plpgsql as $$
declare
  q record;
begin
  checked := 0;
  wrong := 0;
  select x.site_id, x.channel_id into q from review_summary x
  where x.recounted_at is null or x.recounted_at < x.changed_at order by x.changed_at limit 1;
  if found then
    checked := 1;
    perform from channel x where x.site_id = q.site_id and x.id = q.channel_id for no key update;
    if counted_reviews(q.site_id, q.channel_id) <> kept_review_counts(q.site_id, q.channel_id) then
      wrong := 1;
      perform remake_review_summary(q.site_id, q.channel_id);
    end if;
    update review_summary x set recounted_at = greatest(now(), x.changed_at)
    where x.site_id = q.site_id and x.channel_id = q.channel_id;
  end if;
  return next;
end
$$;
