-- What is read of polls.
-- cackled: revision 2

-- scheduled, open or closed, by the server's clock.
create or replace function poll_state(p poll) returns text language sql stable parallel safe as $$
  select case when p.closed_at is not null or p.closes_at <= now() then 'closed'
              when p.opens_at > now() then 'scheduled' else 'open' end
$$;

-- Whether a stranger who has not voted may see the counts.
create or replace function poll_counts_public(p poll) returns boolean language sql stable parallel safe as $$
  select p.results = 'always' or (p.results <> 'staff' and poll_state(p) = 'closed')
$$;

-- The counts of a poll, for whoever may see them.
create or replace function poll_counts(p_site int, p_poll bigint) returns text language sql stable as $$
  select format('{"id":"%s","voters":%s,"options":[%s]}', p.id, p.voters, coalesce((
    select string_agg(format('{"id":"%s","votes":%s}', o.number, o.votes), ',' order by o.place, o.number)
    from poll_option o where o.site_id = p_site and o.poll_id = p_poll and o.state = 1), ''))
  from poll p where p.site_id = p_site and p.id = p_poll
$$;

-- What events tell of the counts: what a stranger who has not voted may see, whoever listens.
create or replace function poll_public(p poll) returns text language sql stable as $$
  select case when poll_counts_public(p) then poll_counts(p.site_id, p.id)
              else format('{"id":"%s","voters":null,"options":[]}', p.id) end
$$;

-- How a visitor has to be known at the least: 0 guest, 1 signed in, 2 by the site.
create or replace function poll_level(p poll) returns int language sql immutable parallel safe as $$
  select case p.identity when 'session' then 0 when 'sso' then 2 else 1 end
$$;

-- The key under which a visitor counts once; null where they can't be known as the poll wants it.
create or replace function poll_voter(p poll, p_visitor bigint) returns text language sql stable as $$
  select case when p.identity <> 'mail' then p_visitor::text else (
    select 'm' || encode(sha256(lower(x.email)::bytea), 'hex') from person x
    where x.site_id = p.site_id and x.visitor_id = p_visitor and x.email_verified and x.email <> '') end
$$;

-- What a visitor sees beside what everybody does. p_options: their ballot, or null; p_counts: as poll_counts gives them.
-- outcome: true where its place is to be taken by the rounds of a ranked poll.
create or replace function poll_me(p poll, p_options int[], p_counts text) returns text language sql stable as $$
  select format('{"options":[%s],"results":%s,"answer":%s,"outcome":%s}',
    (select string_agg(format('"%s"', x.n), ',' order by x.place) from unnest(p_options) with ordinality x (n, place)),
    case when poll_counts_public(p) or (p.results = 'voted' and p_options is not null) then p_counts else 'null' end,
    case when p.kind = 'quiz' and p_options is not null then format('{"correct":[%s],"explanation":%s}', (
      select string_agg(format('"%s"', o.number), ',' order by o.place) from poll_option o
      where o.site_id = p.site_id and o.poll_id = p.id and o.correct), to_json(p.explanation)) else 'null' end,
    case when p.kind = 'ranked' and (poll_counts_public(p) or (p.results = 'voted' and p_options is not null))
      then 'true' else 'null' end)
$$;

-- Everything about a poll, hidden counts too: for the service, which leaves out what its reader may not see.
create or replace function poll_whole(p poll) returns text language sql stable as $$
  select json_build_object(
    'id', p.id::text, 'kind', p.kind, 'question', p.question, 'description', p.description,
    'explanation', p.explanation, 'least', p.least, 'most', p.most, 'results', p.results, 'identity', p.identity,
    'quota', p.quota, 'burst', p.burst, 'changeable', p.changeable, 'voters_shown', p.voters_shown,
    'write_in', p.write_in, 'opens_at', utc_text(p.opens_at), 'closes_at', utc_text(p.closes_at),
    'closed_at', utc_text(p.closed_at), 'state', poll_state(p), 'voters', p.voters, 'removed', p.removed,
    'version', p.version, 'public', poll_counts_public(p),
    'options', coalesce((
      select json_agg(json_build_object(
        'id', o.number::text, 'text', o.text, 'image', o.image, 'video', o.video, 'title', o.video_title,
        'value', o.value, 'correct', o.correct, 'state', o.state, 'votes', o.votes) order by o.place, o.number)
      from poll_option o where o.site_id = p.site_id and o.poll_id = p.id), '[]'))::text
$$;

-- A time as answers write it.
create or replace function utc_text(p_time timestamptz) returns text language sql stable parallel safe as $$
  select to_char(p_time at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
$$;
