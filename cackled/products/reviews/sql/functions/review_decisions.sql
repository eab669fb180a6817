-- What moderators look for among reviews, and do with them. Nothing here changes what an author said, nor their stars.
-- cackled: revision 3

-- The conditions of a search as SQL, with the members that `comment_conditions` takes.
create or replace function review_conditions(p_site int, p_find json) returns text language sql stable as $$
  select concat(
    'c.site_id = ', p_site,
    ' and c.status in (' || (select string_agg((x::int)::text, ',') from json_array_elements_text(p_find -> 'states') x)
      || ')',
    case when (p_find ->> 'flagged')::boolean then ' and c.n_flags > 0 and c.status = 1' end,
    case when (p_find ->> 'unseen')::boolean then ' and not c.seen and c.status in (0, 1)' end,
    ' and exists (select from review_mark m where m.site_id = c.site_id and m.review_id = c.id and m.mark = '
      || quote_literal(p_find ->> 'mark') || ')',
    ' and c.created_at >= ' || quote_literal((p_find ->> 'since')::timestamptz),
    ' and c.created_at < ' || quote_literal((p_find ->> 'until')::timestamptz),
    ' and c.visitor_id = ' || (p_find ->> 'visitor')::bigint,
    ' and (' || (select string_agg('c.ip <<= ' || quote_literal(x::inet), ' or ')
                 from json_array_elements_text(p_find -> 'networks') x) || ')',
    ' and lower(c.author_name) = ' || quote_literal(lower(p_find ->> 'ban_name')),
    ' and strpos(lower(concat_ws('' '', c.title, c.pros, c.cons, c.src)), ' || quote_literal(lower(p_find ->> 'ban_word'))
      || ') > 0',
    ' and c.visitor_id in (select p.visitor_id from person p where p.site_id = ' || p_site || ' and '
      || coalesce('regexp_replace(lower(p.email), ''[+][^@]*@'', ''@'') = ' || quote_literal(p_find ->> 'ban_mail'),
                  'split_part(lower(p.email), ''@'', 2) = ' || quote_literal(p_find ->> 'ban_domain')) || ')',
    ' and c.channel_id in (select h.id from channel h where h.site_id = ' || p_site || ' and (' || (
      select string_agg('starts_with(h.key, ' || quote_literal(x) || ')', ' or ')
      from json_array_elements_text(p_find -> 'sections') x) || '))',
    ' and c.created_at > now() - make_interval(secs => ' || (p_find ->> 'days')::float8 * 86400 || ')',
    ' and c.id < ' || (p_find ->> 'before')::bigint,
    ' and c.id > ' || (p_find ->> 'after')::bigint,
    (select string_agg(' and strpos(lower(concat_ws('' '', c.title, c.pros, c.cons, c.src)), ' || quote_literal(x) || ') > 0',
                       '')
     from json_array_elements_text(p_find -> 'phrases') x))
$$;

-- The ids of reviews that are looked for, the newest first. To be run for all sites (row-level security would keep the
-- index from being used); p_site is the only one it looks at.
create or replace function find_reviews(p_site int, p_find text, p_limit int) returns setof bigint
language plpgsql stable as $$
declare
  find json := p_find::json;
  conditions text := review_conditions(p_site, find);
  -- A new text that waits is found by its words, as by those of the old one.
  others text := review_conditions(p_site, (find::jsonb - 'states' - 'phrases')::json) || coalesce((
    select string_agg(' and strpos(lower(concat_ws('' '', c.title, c.pros, c.cons, c.src, r.data)), ' || quote_literal(x)
      || ') > 0', '')
    from json_array_elements_text(find -> 'phrases') x), '');
  lexemes text := nullif(concat_ws(' & ', nullif(plainto_tsquery('simple', find ->> 'words')::text, ''),
                                   find ->> 'lexemes'), '');
  branches text[] := '{}';
begin
  if lexemes is null then
    branches := branches || format('select c.id from review c where %s order by c.id desc limit %s', conditions, p_limit);
  else
    lexemes := quote_literal(format('''s:%s'' & (%s)', p_site, lexemes));
    branches := array[format('select c.id from review c where c.lexemes @@ %s::tsquery and %s order by c.id desc limit %s',
      lexemes, conditions, p_limit)];
  end if;
  if (find ->> 'revised')::boolean then
    branches := branches || format(
      'select c.id from review_revision r join review c on c.site_id = %1$s and c.id = r.review_id
       where r.site_id = %1$s and %2$s and not (%3$s) %4$s order by c.id desc limit %5$s',
      p_site, others, conditions,
      ' and (c.lexemes || to_tsvector(''simple'', r.data::jsonb)) @@ ' || lexemes || '::tsquery', p_limit);
  end if;
  return query execute format('select id from (%s) x order by id desc limit %s',
    (select string_agg('(' || x || ')', ' union all ') from unnest(branches) x), p_limit);
end
$$;

create or replace function count_found_reviews(p_site int, p_find text, p_most int) returns int
language sql stable as $$
  select count(*)::int from find_reviews(p_site, p_find, p_most)
$$;

-- Whether another review of the same person for the same page is there, so that this one can't come back.
create or replace function review_replaced(r review) returns boolean language sql stable as $$
  select r.kind = 0 and exists (
    select from review x where x.site_id = r.site_id and x.channel_id = r.channel_id and x.visitor_id = r.visitor_id
      and x.kind = 0 and x.status <> 4 and x.id <> r.id)
$$;

-- Members of a review take the place of what it says; what is counted, the log and the pages follow.
create or replace function replace_review(p_site int, p_id bigint, p_data jsonb, p_edited timestamptz, p_webhook boolean)
returns bigint language plpgsql as $$
declare
  was review;
  r review;
  seq bigint;
begin
  select * into was from review x where x.site_id = p_site and x.id = p_id;
  r := with_members(was, p_data);
  update review x set star = r.star, title = r.title, pros = r.pros, cons = r.cons, src = r.src, html = r.html,
    recommend = r.recommend, criteria = r.criteria, attributes = r.attributes, variant = r.variant, media = r.media,
    experienced = r.experienced, lexemes = r.lexemes, edited_at = p_edited, modified_at = now()
  where x.site_id = p_site and x.id = p_id returning * into r;
  perform count_reviews(array[was], array[r]);
  seq := advance_seq(p_site, r.channel_id);
  perform replace_event_words(p_site, r.channel_id, 'review', p_id, r.created_at, question_json(r), null);
  perform announce(p_site, r.channel_id, seq, 'review.updated', review_told(r), p_webhook);
  return seq;
end
$$;

-- Say of a review that its author got something for it, or not; pages follow where it is shown.
create or replace function label_review(p_site int, p_id bigint, p_incentivized boolean, p_webhook boolean)
returns bigint language plpgsql as $$
declare
  r review;
  seq bigint;
begin
  update review x set incentivized = p_incentivized, modified_at = now() where x.site_id = p_site and x.id = p_id
  returning * into r;
  if r.status <> 1 then
    return (select x.seq from channel x where x.site_id = p_site and x.id = r.channel_id);
  end if;
  seq := advance_seq(p_site, r.channel_id);
  perform replace_event_words(p_site, r.channel_id, 'review', p_id, r.created_at, question_json(r), null);
  perform announce(p_site, r.channel_id, seq, 'review.updated', review_told(r), p_webhook);
  return seq;
end
$$;

-- Do p_deed with a review. p_version: what the moderator looked at (null: whatever it is). p_why: of what hides it, one of
-- the neutral reasons, which its author is told, and behind a colon whatever colleagues are to know. Outcomes as for
-- `decide_comment`; 'reason' where that is missing.
create or replace function decide_review(
  p_site int, p_id bigint, p_version int, p_deed text, p_action bigint, p_who text, p_name text, p_why text,
  p_webhook boolean
) returns table (outcome text, version int, state text, seq bigint, channel bigint) language plpgsql as $$
declare
  r review;
  now_is review;
  v review_revision;
  before jsonb;
  words text := '';
  reason text := split_part(p_why, ':', 1);
  to_status int := case p_deed when 'approve' then 1 when 'restore' then 1 when 'spam' then 2 when 'reject' then 3
    when 'delete' then 4 when 'childless' then 4 when 'hold' then 0 end;
begin
  select x.channel_id into channel from review x where x.site_id = p_site and x.id = p_id;
  perform from channel x where x.site_id = p_site and x.id = channel for no key update;
  select x.seq into seq from channel x where x.site_id = p_site and x.id = channel;
  select * into r from review x where x.site_id = p_site and x.id = p_id for update;
  if not found then
    outcome := 'gone';
    return next;
    return;
  end if;
  version := r.version;
  state := status_name(r.status);
  select * into v from review_revision x where x.site_id = p_site and x.review_id = p_id;
  outcome := case
    when p_version is not null and r.version <> p_version then 'conflict'
    when p_deed = 'childless' and r.n_answers > 0 then 'replies'
    when p_deed in ('feature', 'unfeature') and r.status <> 1 then 'gone'
    when p_deed in ('incentivize', 'unincentivize') and r.kind <> 0 then 'gone'
    when r.wiped and to_status is distinct from 4 then 'gone'
    when to_status <> 4 and r.status = 4 and review_replaced(r) then 'gone'
    when to_status in (3, 4) and reason = '' then 'reason'
    else 'done' end;
  if outcome <> 'done' then
    return next;
    return;
  end if;
  if p_deed = 'spam' then
    reason := 'spam';
  end if;
  before := jsonb_build_object('status', r.status, 'shadow', r.shadow, 'flags', r.n_flags, 'seen', r.seen,
    'featured', r.featured, 'incentivized', r.incentivized, 'reason', r.reason, 'lesson', (
      select l.spam from spam_lesson l where l.site_id = p_site and l.kind = 'review' and l.item = p_id));
  if v.review_id is not null and r.status = 1 and p_deed in ('approve', 'reject') then
    -- It is the change that waits that is decided on.
    delete from review_revision x where x.site_id = p_site and x.review_id = p_id;
    delete from review_mark x where x.site_id = p_site and x.review_id = p_id and x.mark = 'edit';
    if p_deed = 'approve' then
      words := review_members(r)::text;
      before := before || '{"revision":"approved"}';
      seq := replace_review(p_site, p_id, v.data::jsonb, v.created_at, p_webhook);
    else
      words := v.data;
      before := before || '{"revision":"rejected"}';
    end if;
  elsif to_status is not null and to_status <> r.status then
    seq := set_review_status(p_site, p_id, to_status, reason, p_webhook);
    if 1 in (to_status, r.status) and to_status <> 0 or to_status = 3 then
      perform tell_review_author(r, to_status, reason);
    end if;
  elsif p_deed in ('feature', 'unfeature') then
    if (p_deed = 'feature') = r.featured then
      outcome := 'same';
    else
      update review x set featured = (p_deed = 'feature') where x.site_id = p_site and x.id = p_id returning * into now_is;
      seq := advance_seq(p_site, channel);
      perform announce(p_site, channel, seq, 'review.updated', review_told(now_is), p_webhook);
    end if;
  elsif p_deed in ('incentivize', 'unincentivize') then
    if (p_deed = 'incentivize') = r.incentivized then
      outcome := 'same';
    else
      seq := label_review(p_site, p_id, p_deed = 'incentivize', p_webhook);
    end if;
  elsif not (p_deed in ('unflag', 'approve') and r.n_flags > 0) and (r.seen or p_deed not in ('seen', 'approve')) then
    outcome := 'same';
  end if;
  if outcome = 'done' then
    update review x set version = r.version + 1, seen = true,
      n_flags = case when p_deed in ('approve', 'unflag') then 0 else x.n_flags end
    where x.site_id = p_site and x.id = p_id returning * into now_is;
    version := now_is.version;
    state := status_name(now_is.status);
    if p_deed in ('approve', 'restore', 'spam') then
      perform teach(p_site, 'review', p_id, r.visitor_id, p_deed = 'spam');
    end if;
    perform note_review(p_site, p_id, p_who, p_deed, p_why,
                        case when words <> '' then words else json_build_object('state', status_name(r.status))::text end,
                        json_build_object('state', state)::text);
    perform note_step(p_site, p_action, 'review:' || p_id, p_deed, p_name, before::text, version, state);
  end if;
  return next;
end
$$;

-- Undo what an action did to a review, if nothing was done to it since. Outcomes as for decide_review.
create or replace function undo_review(
  p_site int, p_id bigint, p_action bigint, p_who text, p_name text, p_webhook boolean
) returns table (outcome text, version int, state text, seq bigint, channel bigint) language plpgsql as $$
declare
  r review;
  s moderation_step;
  h review_change;
  before json;
  wanted int;
  featured_now boolean;
begin
  select x.channel_id into channel from review x where x.site_id = p_site and x.id = p_id;
  perform from channel x where x.site_id = p_site and x.id = channel for no key update;
  select x.seq into seq from channel x where x.site_id = p_site and x.id = channel;
  select * into r from review x where x.site_id = p_site and x.id = p_id for update;
  select * into s from moderation_step x where x.site_id = p_site and x.action_id = p_action
    and x.item = 'review:' || p_id;
  version := r.version;
  state := status_name(r.status);
  before := s.before::json;
  wanted := (before ->> 'status')::int;
  outcome := case when r.id is null or s.item is null or r.wiped then 'gone' when s.undone then 'same'
    when r.version <> s.version then 'conflict'
    when r.status = 4 and wanted <> 4 and review_replaced(r) then 'gone' else 'done' end;
  if outcome <> 'done' then
    return next;
    return;
  end if;
  if before ->> 'revision' is not null then
    select * into h from review_change x where x.site_id = p_site and x.review_id = p_id and x.before <> ''
      and x.deed in ('approve', 'reject') order by x.id desc limit 1;
    if not found then
      outcome := 'gone';
      return next;
      return;
    end if;
    insert into review_revision (site_id, review_id, data)
    values (p_site, p_id, case before ->> 'revision' when 'approved' then review_members(r)::text else h.before end)
    on conflict do nothing;
    if before ->> 'revision' = 'approved' then
      seq := replace_review(p_site, p_id, h.before::jsonb, null, p_webhook);
    end if;
    perform mark_review(p_site, p_id, '{"marks":["edit"]}');
  end if;
  if wanted <> r.status then
    seq := set_review_status(p_site, p_id, wanted, before ->> 'reason', p_webhook);
  end if;
  if (before ->> 'incentivized')::boolean <> r.incentivized then
    seq := label_review(p_site, p_id, (before ->> 'incentivized')::boolean, p_webhook);
  end if;
  select x.featured into featured_now from review x where x.site_id = p_site and x.id = p_id;
  update review x set version = r.version + 1, shadow = (before ->> 'shadow')::boolean,
    seen = (before ->> 'seen')::boolean, featured = (before ->> 'featured')::boolean,
    n_flags = case when x.n_flags = 0 then (before ->> 'flags')::int else x.n_flags end
  where x.site_id = p_site and x.id = p_id returning * into r;
  if r.status = 1 and featured_now <> r.featured then
    seq := advance_seq(p_site, channel);
    perform announce(p_site, channel, seq, 'review.updated', review_told(r), p_webhook);
  end if;
  version := r.version;
  state := status_name(r.status);
  perform teach(p_site, 'review', p_id, r.visitor_id, (before ->> 'lesson')::boolean);
  update moderation_step x set undone = true where x.site_id = p_site and x.action_id = p_action
    and x.item = 'review:' || p_id;
  perform note_review(p_site, p_id, p_who, 'undo', '', '', json_build_object('state', state)::text);
  perform tell_staff(p_site, 'item.decided', json_build_object(
    'item', 'review:' || p_id, 'action', 'undo', 'by', p_name, 'state', state, 'version', version,
    'decision', p_action::text)::text);
  return next;
end
$$;

-- The author of a review is written to of what was decided, where it is known where: the verified address of a person. The
-- page itself tells everybody who comes back.
create or replace function tell_review_author(r review, p_to int, p_reason text) returns void language sql as $$
  insert into outbox (site_id, kind, body, next_at)
  select r.site_id, 'review-mail', json_build_object('about', 'decided', 'id', r.id::text, 'state', status_name(p_to),
    'reason', p_reason)::text, now() + interval '2 minutes'
  where p_to in (2, 3, 4) and r.source = '' and not r.shadow and (
    exists (select from person x where x.site_id = r.site_id and x.visitor_id = r.visitor_id and x.email_verified
            and x.email <> ''))
$$;
