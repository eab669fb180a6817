-- Voting.
-- cackled: revision 1

-- The row of a poll, locked with its channel for the rest of the transaction.
create or replace function lock_poll(p_site int, p_poll bigint) returns poll language plpgsql as $$
declare
  p poll;
begin
  select * into p from poll x where x.site_id = p_site and x.id = p_poll;
  if found then
    perform from channel x where x.site_id = p_site and x.id = p.channel_id for no key update;
    -- As it is now that nobody else changes it.
    select * into p from poll x where x.site_id = p_site and x.id = p_poll;
  end if;
  if not found then
    raise exception using errcode = 'CK404', message = 'poll';
  end if;
  return p;
end
$$;

-- What a ballot adds to the counts: all that it names, of a ranked poll what it names first.
create or replace function counted_options(p_kind text, p_options int[]) returns int[]
language sql immutable parallel safe as $$
  select case when p_kind = 'ranked' then p_options[1:1] else p_options end
$$;

-- Count a new ballot of a network in a span of so many seconds; gives how many there are in it by now.
create or replace function count_network(p_site int, p_poll bigint, p_network cidr, p_span int) returns int
language sql as $$
  insert into poll_network (site_id, poll_id, network, span, since, votes)
  values (p_site, p_poll, p_network, p_span, to_timestamp(floor(extract(epoch from now()) / p_span) * p_span), 1)
  on conflict (site_id, poll_id, network, span, since) do update set votes = poll_network.votes + 1
  returning votes
$$;

-- So many ballots of a network in the present hour, without a new one.
create or replace function network_votes(p_site int, p_poll bigint, p_network cidr) returns int language sql stable as $$
  select coalesce((select x.votes from poll_network x where x.site_id = p_site and x.poll_id = p_poll
    and x.network = p_network and x.span = 3600
    and x.since = to_timestamp(floor(extract(epoch from now()) / 3600) * 3600)), 0)
$$;

-- Votes of several visitors, one after the other, under one lock, with one event. p_levels: how each is known (0 guest,
-- 1 signed in, 2 by the site). p_choices: the options of each, joined by commas in their order of preference; '' takes
-- the vote back. A voter has one ballot, whatever comes at once: unique by poll and voter key. refused: null, or why
-- not. me: what the voter sees then, see poll_me; null where nobody has voted under that name.
create or replace function vote_poll(
  p_site int, p_poll bigint, p_visitors bigint[], p_levels int[], p_ips text[], p_origins text[], p_choices text[],
  p_webhook boolean
) returns table (seq bigint, channel bigint, refused text, me text) language plpgsql as $$
declare
  p poll := lock_poll(p_site, p_poll);
  needed int := poll_level(p);
  state text := poll_state(p);
  shown int[];
  change int[];
  more int := 0;
  changed boolean := false;
  refusals text[] := '{}';
  ballots text[] := '{}';
  counts text;
  choice int[];
  key text;
  b ballot;
  ip inet;
  tiers cidr[];
  coarse cidr;
  held boolean;
  o int;
begin
  if state <> 'open' then
    raise exception using errcode = 'CK409', message = case state when 'closed' then 'poll-closed' else 'not-open' end;
  end if;
  select array_agg(x.number), array_fill(0, array[coalesce(max(x.number), 1)]) into shown, change
  from poll_option x where x.site_id = p_site and x.poll_id = p_poll and x.state = 1;
  for i in 1 .. cardinality(p_visitors) loop
    choice := string_to_array(p_choices[i], ',')::int[];
    ip := p_ips[i]::inet;
    refusals[i] := null;
    ballots[i] := null;
    if is_banned(p_site, '', p_visitors[i], ip) then
      refusals[i] := 'banned';
    elsif p_levels[i] < needed then
      refusals[i] := 'sign-in';
    else
      key := poll_voter(p, p_visitors[i]);
      if key is null then
        refusals[i] := 'sign-in';
      end if;
    end if;
    continue when refusals[i] is not null;
    select * into b from ballot x where x.site_id = p_site and x.poll_id = p_poll and x.voter = key;
    if b.voter is not null then
      ballots[i] := array_to_string(b.options, ',');
    end if;
    if cardinality(choice) = 0 then
      if b.voter is null then
        continue;
      elsif not p.changeable then
        refusals[i] := 'voted';
        continue;
      elsif b.state = 3 then
        -- Struck out for good: voting anew would bring it back.
        continue;
      end if;
      delete from ballot x where x.site_id = p_site and x.poll_id = p_poll and x.voter = key;
      ballots[i] := null;
    else
      if not choice <@ shown then
        refusals[i] := 'option';
      elsif cardinality(choice) < p.least or cardinality(choice) > p.most then
        refusals[i] := 'choices';
      elsif b.voter is not null and b.options <> choice and not p.changeable then
        refusals[i] := 'voted';
      end if;
      continue when refusals[i] is not null or b.options = choice;
      held := false;
      if b.voter is null then
        tiers := case when ip is null then '{}'::cidr[]
          when family(ip) = 4 then array[network(set_masklen(ip, 32))]
          else array[network(set_masklen(ip, 64)), network(set_masklen(ip, 56)), network(set_masklen(ip, 48))] end;
        coarse := case when ip is null then null else network(set_masklen(ip, case family(ip) when 4 then 24 else 48 end))
          end;
        if p.quota > 0 then
          -- As many more in the wider networks of IPv6 as rate limits allow there.
          for t in 1 .. cardinality(tiers) loop
            if network_votes(p_site, p_poll, tiers[t]) >= p.quota * (array[1, 4, 16])[t] then
              refusals[i] := 'quota';
            end if;
          end loop;
          continue when refusals[i] is not null;
          perform count_network(p_site, p_poll, x.network, 3600) from unnest(tiers) x (network);
        end if;
        if p.burst > 0 and coarse is not null then
          held := count_network(p_site, p_poll, coarse, 60) > p.burst;
        end if;
        insert into ballot (site_id, poll_id, voter, visitor_id, options, state, network, origin)
        values (p_site, p_poll, key, p_visitors[i], choice, case when held then 2 else 1 end, coarse, p_origins[i]);
      else
        update ballot x set options = choice, modified_at = now()
        where x.site_id = p_site and x.poll_id = p_poll and x.voter = key;
        held := b.state <> 1;
      end if;
      ballots[i] := p_choices[i];
      if not held then
        foreach o in array counted_options(p.kind, choice) loop
          change[o] := change[o] + 1;
        end loop;
        more := more + 1;
        changed := true;
      end if;
    end if;
    if b.state = 1 then
      foreach o in array counted_options(p.kind, b.options) loop
        change[o] := change[o] - 1;
      end loop;
      more := more - 1;
      changed := true;
    end if;
  end loop;
  if changed then
    update poll_option x set votes = x.votes + change[x.number]
    where x.site_id = p_site and x.poll_id = p_poll and change[x.number] <> 0;
    update poll x set voters = x.voters + more, voted_at = now()
    where x.site_id = p_site and x.id = p_poll returning * into p;
  end if;
  seq := announce_votes(p, changed, p_webhook);
  counts := poll_counts(p_site, p_poll);
  channel := p.channel_id;
  for i in 1 .. cardinality(p_visitors) loop
    refused := refusals[i];
    me := poll_me(p, string_to_array(ballots[i], ',')::int[], counts);
    return next;
  end loop;
end
$$;

-- Tell of changed counts; gives the channel's number. Where nobody who looks at the page may see them, nothing is told,
-- and the number does not say that there were votes either.
create or replace function announce_votes(p poll, p_changed boolean, p_webhook boolean) returns bigint
language plpgsql as $$
declare
  seq bigint;
begin
  if p_changed and (p.results in ('always', 'voted') or poll_counts_public(p)) then
    seq := advance_seq(p.site_id, p.channel_id);
    perform announce(p.site_id, p.channel_id, seq, 'poll.voted', poll_public(p), p_webhook);
  else
    select x.seq into seq from channel x where x.site_id = p.site_id and x.id = p.channel_id;
  end if;
  return seq;
end
$$;
