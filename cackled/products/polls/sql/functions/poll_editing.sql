-- Making and changing polls, and what their owners decide.
-- cackled: revision 2

-- Make a poll (p_version 0) or change it. p_poll: all its members as JSON, with all options in their order; an option
-- without a number is new. p_unvoted: the change is one that nobody may make once there are ballots. Raises CK409 where
-- it was changed meanwhile, or has ballots.
create or replace function save_poll(
  p_site int, p_id bigint, p_channel bigint, p_key text, p_version int, p_unvoted boolean, p_poll text, p_by text,
  p_webhook boolean
) returns table (seq bigint, version int) language plpgsql as $$
declare
  j json := p_poll::json;
  p poll;
  before timestamptz[];
begin
  perform open_channel(p_site, 'polls', p_channel, p_key, '', '');
  select * into p from poll x where x.site_id = p_site and x.id = p_id;
  if found <> (p_version > 0) or p.version <> p_version then
    raise exception using errcode = 'CK409', message = 'version';
  elsif p_unvoted and exists (select from ballot x where x.site_id = p_site and x.poll_id = p_id) then
    raise exception using errcode = 'CK409', message = 'has-votes';
  end if;
  before := array[p.opens_at, p.closes_at];
  insert into poll as x (
    site_id, id, channel_id, kind, question, description, explanation, least, most, results, identity, quota, burst,
    changeable, voters_shown, write_in, opens_at, closes_at, closed_at, created_by
  ) values (
    p_site, p_id, p_channel, j ->> 'kind', j ->> 'question', j ->> 'description', j ->> 'explanation',
    (j ->> 'least')::int, (j ->> 'most')::int, j ->> 'results', j ->> 'identity', (j ->> 'quota')::int,
    (j ->> 'burst')::int, (j ->> 'changeable')::boolean, (j ->> 'voters_shown')::boolean, (j ->> 'write_in')::boolean,
    (j ->> 'opens_at')::timestamptz, (j ->> 'closes_at')::timestamptz,
    case when (j ->> 'closed')::boolean then now() end, p_by
  ) on conflict (site_id, id) do update set
    kind = excluded.kind, question = excluded.question, description = excluded.description,
    explanation = excluded.explanation, least = excluded.least, most = excluded.most, results = excluded.results,
    identity = excluded.identity, quota = excluded.quota, burst = excluded.burst, changeable = excluded.changeable,
    voters_shown = excluded.voters_shown, write_in = excluded.write_in, opens_at = excluded.opens_at,
    closes_at = excluded.closes_at, version = x.version + 1,
    closed_at = case when (j ->> 'closed')::boolean then coalesce(x.closed_at, now()) end
  returning * into p;
  delete from poll_option x where x.site_id = p_site and x.poll_id = p_id and x.state = 1
    and x.number not in (select (o.value ->> 'id')::int from json_array_elements(j -> 'options') o
                         where o.value ->> 'id' is not null);
  with given as (
    select o.n::int as place, o.value as v, (o.value ->> 'id')::int as number,
      count(*) filter (where o.value ->> 'id' is null) over (order by o.n) as nth
    from json_array_elements(j -> 'options') with ordinality o (value, n)
  ), top as (
    select coalesce(max(x.number), 0) as number from poll_option x where x.site_id = p_site and x.poll_id = p_id
  )
  insert into poll_option as x (site_id, poll_id, number, place, text, image, video, value, correct)
  select p_site, p_id, coalesce(g.number, top.number + g.nth::int), g.place, g.v ->> 'text', g.v ->> 'image',
    g.v ->> 'video', (g.v ->> 'value')::int, (g.v ->> 'correct')::boolean
  from given g, top
  on conflict (site_id, poll_id, number) do update set place = excluded.place, text = excluded.text,
    image = excluded.image, video = excluded.video, value = excluded.value, correct = excluded.correct;
  seq := advance_seq(p_site, p_channel);
  if p.closed_at = now() then
    perform announce(p_site, p_channel, seq, 'poll.closed', poll_public(p), p_webhook);
  else
    perform announce(p_site, p_channel, seq, 'poll.updated', format('{"id":"%s","version":%s}', p_id, p.version),
                     p_webhook and p_version > 0);
  end if;
  -- Pages are told when it opens and closes.
  insert into outbox (site_id, kind, body, next_at)
  select distinct p_site, 'poll', format('{"poll":"%s"}', p_id), t.at from unnest(array[p.opens_at, p.closes_at]) t (at)
  where t.at > now() and t.at <> all(array_remove(before, null));
  version := p.version;
  return next;
end
$$;

-- A time of a poll has come: tell the pages. Gives nothing where there is nothing to tell.
create or replace function tell_poll(p_site int, p_poll bigint, p_webhook boolean)
returns table (seq bigint, channel bigint) language plpgsql as $$
declare
  p poll := lock_poll(p_site, p_poll);
begin
  channel := p.channel_id;
  if p.closes_at <= now() and p.closed_at is null then
    update poll x set closed_at = p.closes_at where x.site_id = p_site and x.id = p_poll returning * into p;
    seq := advance_seq(p_site, channel);
    perform announce(p_site, channel, seq, 'poll.closed', poll_public(p), p_webhook);
    return next;
  elsif p.opens_at <= now() and poll_state(p) = 'open' then
    seq := advance_seq(p_site, channel);
    perform announce(p_site, channel, seq, 'poll.updated', format('{"id":"%s","version":%s}', p.id, p.version), false);
    return next;
  end if;
end
$$;

-- Strike out the ballots of a network within a minute (all of them, counted before or not), or count those held back.
-- Gives how many.
create or replace function decide_burst(
  p_site int, p_poll bigint, p_network cidr, p_minute timestamptz, p_strike boolean, p_webhook boolean
) returns table (seq bigint, ballots int) language plpgsql as $$
declare
  p poll := lock_poll(p_site, p_poll);
  n int;
begin
  with was as materialized (
    select x.voter, x.state, x.options from ballot x where x.site_id = p_site and x.poll_id = p_poll
      and x.network = p_network and x.created_at >= p_minute and x.created_at < p_minute + interval '1 minute'
      and (x.state = 2 or (p_strike and x.state = 1))
  ), done as (
    update ballot x set state = case when p_strike then 3 else 1 end from was
    where x.site_id = p_site and x.poll_id = p_poll and x.voter = was.voter
  ), per_option as (
    select o.number, count(*) as n from was, unnest(counted_options(p.kind, was.options)) o (number)
    where was.state = case when p_strike then 1 else 2 end group by 1
  ), counts as (
    update poll_option x set votes = x.votes + case when p_strike then -c.n else c.n end from per_option c
    where x.site_id = p_site and x.poll_id = p_poll and x.number = c.number
  )
  select count(*), count(*) filter (where was.state = case when p_strike then 1 else 2 end) into ballots, n from was;
  update poll x set voters = x.voters + case when p_strike then -n else n end,
    removed = x.removed + case when p_strike then decide_burst.ballots else 0 end, voted_at = now(),
    version = x.version + 1
  where x.site_id = p_site and x.id = p_poll and decide_burst.ballots > 0 returning * into p;
  if ballots = 0 then
    select x.seq into seq from poll q join channel x on x.site_id = q.site_id and x.id = q.channel_id
    where q.site_id = p_site and q.id = p_poll;
  else
    seq := advance_seq(p_site, p.channel_id);
    perform announce(p_site, p.channel_id, seq, 'poll.updated', format('{"id":"%s","version":%s}', p.id, p.version),
                     p_webhook);
  end if;
  return next;
end
$$;
