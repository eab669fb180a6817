-- Options that visitors propose: writing them, and what moderators look for and decide.
-- cackled: revision 1

-- The channel of a proposal, for those who are told of items by section.
create or replace function proposal_item_channel(p_site int, p_id bigint) returns bigint language sql stable as $$
  select p.channel_id from poll_option o join poll p on p.site_id = o.site_id and p.id = o.poll_id
  where o.site_id = p_site and o.item = p_id
$$;

-- Propose an option of one's own; it is shown when the owner takes it. p_verdict: what the rules say of it, as
-- {"status": .., "marks": [..]}; null: nothing. Gives its number, and whether it is new.
create or replace function propose_option(
  p_site int, p_poll bigint, p_visitor bigint, p_level int, p_ip inet, p_text text, p_words text, p_most int,
  p_verdict text
) returns table (number int, made boolean) language plpgsql as $$
declare
  p poll := lock_poll(p_site, p_poll);
  verdict json := p_verdict::json;
  n int;
  waiting int;
  mine int;
  id bigint;
  now_is int := coalesce((verdict ->> 'status')::int, 0);
begin
  if poll_state(p) <> 'open' then
    raise exception using errcode = 'CK409',
      message = case poll_state(p) when 'closed' then 'poll-closed' else 'not-open' end;
  elsif not p.write_in then
    raise exception using errcode = 'CK403', message = 'no-write-in';
  elsif is_banned(p_site, p_words, p_visitor, p_ip) then
    raise exception using errcode = 'CK403', message = 'banned';
  elsif p_level < poll_level(p) then
    raise exception using errcode = 'CK403', message = 'sign-in';
  end if;
  made := false;
  select x.number into number from poll_option x
  where x.site_id = p_site and x.poll_id = p_poll and x.state < 2 and lower(x.text) = lower(p_text);
  if found then
    return next;
    return;
  end if;
  -- What the rules put aside counts as waiting until somebody has decided on it: its author is told the same.
  select count(*), count(*) filter (where x.proposer_id = p_visitor and (x.state = 0 or x.status > 1 and x.version = 1
                                                                         and x.item is not null and not x.seen)),
    max(x.number)
  into waiting, mine, n from poll_option x where x.site_id = p_site and x.poll_id = p_poll;
  if waiting >= p_most or mine > 0 then
    raise exception using errcode = 'CK409', message = 'proposals';
  end if;
  id := next_id(0);
  insert into poll_option as x (site_id, poll_id, number, place, text, state, proposer_id, item, status, seen, marks)
  values (p_site, p_poll, n + 1, n + 1, p_text, case now_is when 0 then 0 else 2 end, p_visitor, id, now_is, false,
          coalesce(verdict ->> 'marks', ''));
  perform tell_staff(p_site, 'item.queued', format('{"item":"proposal:%s","state":"%s"}', id, status_name(now_is)));
  number := n + 1;
  made := true;
  return next;
end
$$;

-- The same without a verdict, as servers of before ask.
create or replace function propose_option(
  p_site int, p_poll bigint, p_visitor bigint, p_level int, p_ip inet, p_text text, p_words text, p_most int
) returns int language sql as $$
  select x.number from propose_option(p_site, p_poll, p_visitor, p_level, p_ip, p_text, p_words, p_most, null) x
$$;

-- Change the state of a proposed option of a poll that is locked. Gives the number of the channel afterwards; null
-- where that can't be: the poll has as many options as it can have, or the option was voted for.
create or replace function set_proposal(
  p_site int, p_poll bigint, p_number int, p_to int, p_most int, p_webhook boolean
) returns bigint language plpgsql as $$
declare
  p poll;
  o poll_option;
  shown int;
  seq bigint;
begin
  select * into p from poll x where x.site_id = p_site and x.id = p_poll;
  select * into o from poll_option x where x.site_id = p_site and x.poll_id = p_poll and x.number = p_number;
  select count(*) into shown from poll_option x where x.site_id = p_site and x.poll_id = p_poll and x.state = 1;
  if p_to = 1 and o.state <> 1 and shown >= p_most then
    return null;
  elsif p_to <> 1 and o.state = 1 and (shown <= p.least or shown < 2 or exists (
      select from ballot x where x.site_id = p_site and x.poll_id = p_poll and p_number = any(x.options))) then
    return null;
  end if;
  update poll_option x set status = p_to, state = case p_to when 0 then 0 when 1 then 1 else 2 end
  where x.site_id = p_site and x.poll_id = p_poll and x.number = p_number;
  if o.item is not null then
    perform count_state(p_site, 'proposal', o.created_at, o.status, p_to);
  end if;
  if (p_to = 1) = (o.state = 1) then
    return (select x.seq from channel x where x.site_id = p_site and x.id = p.channel_id);
  end if;
  -- Who could choose all options still can, and nobody more than there are.
  update poll x set version = x.version + 1, most = case
    when p_to = 1 then x.most + (x.most = shown and x.kind in ('multiple', 'ranked'))::int
    else least(x.most, shown - 1) end
  where x.site_id = p_site and x.id = p_poll returning x.* into p;
  seq := advance_seq(p_site, p.channel_id);
  perform announce(p_site, p.channel_id, seq, 'poll.updated', format('{"id":"%s","version":%s}', p.id, p.version),
                   p_webhook);
  return seq;
end
$$;

-- Show a proposed option, or refuse it, in the poll's own editor. Null: there is none that waits.
create or replace function decide_option(
  p_site int, p_poll bigint, p_number int, p_shown boolean, p_most int, p_webhook boolean
) returns bigint language plpgsql as $$
declare
  p poll := lock_poll(p_site, p_poll);
  o poll_option;
  seq bigint;
begin
  select * into o from poll_option x
  where x.site_id = p_site and x.poll_id = p_poll and x.number = p_number and x.state = 0;
  if not found then
    return null;
  end if;
  seq := set_proposal(p_site, p_poll, p_number, case when p_shown then 1 else 3 end, p_most, p_webhook);
  if seq is null then
    raise exception using errcode = 'CK409', message = 'proposals';
  end if;
  update poll_option x set version = x.version + 1, seen = true
  where x.site_id = p_site and x.poll_id = p_poll and x.number = p_number returning x.* into o;
  if o.item is not null then
    perform teach(p_site, 'proposal', o.item, o.proposer_id, false) where p_shown;
    perform tell_staff(p_site, 'item.decided', json_build_object(
      'item', 'proposal:' || o.item, 'action', case when p_shown then 'approve' else 'reject' end, 'by', '',
      'state', status_name(o.status), 'version', o.version, 'decision', '')::text);
  end if;
  return seq;
end
$$;

-- Do p_deed with a proposal. p_version: what the moderator looked at (null: whatever it is). Outcomes as for
-- `decide_comment`; an option that was voted for stays ('conflict'), and so does a poll that is full.
create or replace function decide_proposal(
  p_site int, p_item bigint, p_version int, p_deed text, p_action bigint, p_name text, p_most int, p_webhook boolean
) returns table (outcome text, version int, state text, seq bigint, channel bigint) language plpgsql as $$
declare
  p poll;
  o poll_option;
  before jsonb;
  to_status int := case p_deed when 'approve' then 1 when 'restore' then 1 when 'spam' then 2 when 'reject' then 3
    when 'delete' then 4 when 'hold' then 0 end;
begin
  select * into o from poll_option x where x.site_id = p_site and x.item = p_item;
  if found then
    p := lock_poll(p_site, o.poll_id);
    -- As it is now that nobody else changes it.
    select * into o from poll_option x where x.site_id = p_site and x.item = p_item;
  end if;
  if not found then
    outcome := 'gone';
    return next;
    return;
  end if;
  channel := p.channel_id;
  select x.seq into seq from channel x where x.site_id = p_site and x.id = channel;
  outcome := 'done';
  if p_version is not null and o.version <> p_version then
    outcome := 'conflict';
  elsif to_status is not null and to_status <> o.status then
    seq := set_proposal(p_site, o.poll_id, o.number, to_status, p_most, p_webhook);
    if seq is null then
      outcome := 'conflict';
    end if;
  elsif o.seen or p_deed not in ('seen', 'approve') then
    outcome := 'same';
  end if;
  if outcome = 'done' then
    before := jsonb_build_object('status', o.status, 'seen', o.seen, 'to', coalesce(to_status, o.status), 'lesson', (
      select l.spam from spam_lesson l where l.site_id = p_site and l.kind = 'proposal' and l.item = p_item));
    update poll_option x set version = x.version + 1, seen = true where x.site_id = p_site and x.item = p_item
    returning x.* into o;
    if p_deed in ('approve', 'restore', 'spam') then
      perform teach(p_site, 'proposal', p_item, o.proposer_id, p_deed = 'spam');
    end if;
    perform note_step(p_site, p_action, 'proposal:' || p_item, p_deed, p_name, before::text, o.version,
                      status_name(o.status));
  end if;
  version := o.version;
  state := status_name(o.status);
  return next;
end
$$;

-- Undo what an action did to a proposal, if nothing was done to it since. Outcomes as for decide_proposal.
create or replace function undo_proposal(
  p_site int, p_item bigint, p_action bigint, p_name text, p_most int, p_webhook boolean
) returns table (outcome text, version int, state text, seq bigint, channel bigint) language plpgsql as $$
declare
  p poll;
  o poll_option;
  s moderation_step;
  before json;
begin
  select * into s from moderation_step x where x.site_id = p_site and x.action_id = p_action
    and x.item = 'proposal:' || p_item;
  select * into o from poll_option x where x.site_id = p_site and x.item = p_item;
  if found then
    p := lock_poll(p_site, o.poll_id);
    select * into o from poll_option x where x.site_id = p_site and x.item = p_item;
  end if;
  if not found or s.item is null then
    outcome := 'gone';
    return next;
    return;
  end if;
  before := s.before::json;
  channel := p.channel_id;
  select x.seq into seq from channel x where x.site_id = p_site and x.id = channel;
  outcome := case when s.undone then 'same' when o.version <> s.version then 'conflict' else 'done' end;
  if outcome = 'done' and (before ->> 'status')::int <> o.status then
    seq := set_proposal(p_site, o.poll_id, o.number, (before ->> 'status')::int, p_most, p_webhook);
    if seq is null then
      outcome := 'conflict';
    end if;
  end if;
  if outcome = 'done' then
    update poll_option x set version = x.version + 1, seen = (before ->> 'seen')::boolean
    where x.site_id = p_site and x.item = p_item returning x.* into o;
    perform teach(p_site, 'proposal', p_item, o.proposer_id, (before ->> 'lesson')::boolean);
    update moderation_step x set undone = true where x.site_id = p_site and x.action_id = p_action
      and x.item = 'proposal:' || p_item;
    perform tell_staff(p_site, 'item.decided', json_build_object(
      'item', 'proposal:' || p_item, 'action', 'undo', 'by', p_name, 'state', status_name(o.status),
      'version', o.version, 'decision', p_action::text)::text);
  end if;
  version := o.version;
  state := status_name(o.status);
  return next;
end
$$;

-- The numbers of proposals that are looked for, the newest first; p_find has the members that `find_comments` takes, but
-- pages are channels' ids, and words are matched one by one (what stands between < and > is no markup). To be run for
-- all sites (row-level security would keep the index from being used); p_site is the only one it looks at.
create or replace function find_proposals(p_site int, p_find text, p_limit int) returns setof bigint
language sql stable as $$
  with f as materialized (
    select p_find::json as j,
      plainto_tsquery('simple', translate(coalesce(p_find::json ->> 'words', ''), '<>', '  ')) as words
  )
  select o.item
  from f, poll_option o
  join poll p on p.site_id = p_site and p.id = o.poll_id
  left join person n on n.site_id = p_site and n.visitor_id = o.proposer_id
  where o.site_id = p_site and o.item is not null
    and (j -> 'states' is null or o.status in (select x::int from json_array_elements_text(j -> 'states') x))
    and (j ->> 'unseen' is null or (not o.seen and o.status < 2))
    and (j ->> 'before' is null or o.item < (j ->> 'before')::bigint)
    and (j ->> 'after' is null or o.item > (j ->> 'after')::bigint)
    and (j ->> 'visitor' is null or o.proposer_id = (j ->> 'visitor')::bigint)
    and (j ->> 'since' is null or o.created_at >= (j ->> 'since')::timestamptz)
    and (j ->> 'until' is null or o.created_at < (j ->> 'until')::timestamptz)
    and (j ->> 'days' is null or o.created_at > now() - make_interval(secs => (j ->> 'days')::float8 * 86400))
    and (numnode(words) = 0 or to_tsvector('simple', translate(o.text, '<>', '  ')) @@ words)
    and not exists (select from json_array_elements_text(j -> 'phrases') x where strpos(lower(o.text), x) = 0)
    and not exists (select from json_array_elements_text(j -> 'authors') x
                    where lower(x) <> all(string_to_array(lower(coalesce(n.name, '')), ' ')))
    and (j -> 'pages' is null or p.channel_id in (select x::bigint from json_array_elements_text(j -> 'pages') x))
    and (j -> 'sections' is null or exists (
      select from json_array_elements_text(j -> 'sections') x where starts_with(p.id::text, x)))
    and (j ->> 'mark' is null or exists (
      select from json_array_elements(nullif(o.marks, '')::json) m where m ->> 'mark' = j ->> 'mark'))
    and (j ->> 'ban_name' is null or lower(n.name) = lower(j ->> 'ban_name'))
    and (j ->> 'ban_word' is null or strpos(lower(o.text), lower(j ->> 'ban_word')) > 0)
    and (j ->> 'ban_mail' is null or regexp_replace(lower(n.email), '[+][^@]*@', '@') = j ->> 'ban_mail')
    and (j ->> 'ban_domain' is null or split_part(lower(n.email), '@', 2) = j ->> 'ban_domain')
  order by o.item desc limit p_limit
$$;
