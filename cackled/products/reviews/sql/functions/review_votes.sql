-- Whether a review helped, and reports.
-- cackled: revision 1

-- Votes on one review that came together, as `vote_comments`: p_ips as text (null: not known). Nobody votes for themselves.
create or replace function vote_reviews(
  p_site int, p_id bigint, p_visitors bigint[], p_values int[], p_ips text[]
) returns table (up int, down int, seq bigint, channel bigint, refused text, counted boolean) language plpgsql as $$
declare
  r review;
  answers text[] := '{}';
  apart int[] := '{}';
  was int;
  why text;
  stands boolean;
begin
  perform from channel x where x.site_id = p_site and x.id = (
    select y.channel_id from review y where y.site_id = p_site and y.id = p_id
  ) for no key update;
  select * into r from review x where x.site_id = p_site and x.id = p_id
    and (x.status = 1 or x.visitor_id = any(p_visitors) and x.status <> 4 and not x.wiped);
  if not found then
    raise exception using errcode = 'CK404', message = 'review';
  end if;
  up := r.up;
  down := r.down;
  channel := r.channel_id;
  for i in 1 .. cardinality(p_visitors) loop
    why := ban_of(p_site, '', p_visitors[i], p_ips[i]::inet);
    apart[i] := 0;
    if r.status <> 1 and p_visitors[i] <> r.visitor_id then
      why := 'review';
    elsif why = 'ban' then
      why := 'banned';
    elsif p_visitors[i] <> r.visitor_id or p_values[i] = 0 then
      -- Of somebody whom nobody is to hear: kept and shown to them, and counted nowhere.
      stands := why is null;
      why := null;
      select v.value * v.counted::int into was from review_vote v where v.site_id = p_site
        and v.channel_id = r.channel_id and v.visitor_id = p_visitors[i] and v.review_id = p_id;
      was := coalesce(was, 0);
      if not stands then
        apart[i] := p_values[i];
      end if;
      if not stands or was <> p_values[i] then
        if p_values[i] = 0 then
          delete from review_vote v where v.site_id = p_site and v.channel_id = r.channel_id
            and v.visitor_id = p_visitors[i] and v.review_id = p_id;
        else
          insert into review_vote (site_id, channel_id, visitor_id, review_id, value, counted)
          values (p_site, r.channel_id, p_visitors[i], p_id, p_values[i], stands)
          on conflict (site_id, channel_id, visitor_id, review_id)
          do update set value = excluded.value, counted = excluded.counted;
        end if;
        up := up + (stands and p_values[i] = 1)::int - (was = 1)::int;
        down := down + (stands and p_values[i] = -1)::int - (was = -1)::int;
      end if;
    end if;
    answers[i] := nullif(why, 'shadow');
  end loop;
  if up <> r.up or down <> r.down then
    seq := tell_review_votes(p_site, p_id, up, down);
  else
    select x.seq into seq from channel x where x.site_id = p_site and x.id = r.channel_id;
  end if;
  r.up := up;
  r.down := down;
  for i in 1 .. cardinality(p_visitors) loop
    up := r.up + (apart[i] = 1)::int;
    down := r.down + (apart[i] = -1)::int;
    refused := answers[i];
    counted := refused is null and (p_visitors[i] <> r.visitor_id or p_values[i] = 0);
    return next;
  end loop;
end
$$;

-- The votes of a review are now these; gives the number of its channel.
create or replace function tell_review_votes(p_site int, p_id bigint, p_up int, p_down int) returns bigint
language plpgsql as $$
declare
  r review;
  seq bigint;
begin
  update review x set up = p_up, down = p_down, rank = helpful_rank(p_up, p_down)
  where x.site_id = p_site and x.id = p_id returning * into r;
  seq := advance_seq(p_site, r.channel_id);
  perform announce(p_site, r.channel_id, seq, 'review.voted', format('{"id":"%s","up":%s,"down":%s}', p_id, p_up, p_down),
                   false);
  return seq;
end
$$;

-- Report a review; each visitor counts once. Gives how many reports there are.
create or replace function flag_review(p_site int, p_id bigint, p_visitor bigint, p_ip inet, p_reason text) returns int
language plpgsql as $$
declare
  n int;
  r review;
  banned text := ban_of(p_site, '', p_visitor, p_ip);
begin
  if banned = 'ban' then
    raise exception using errcode = 'CK403', message = 'banned';
  end if;
  select * into r from review x where x.site_id = p_site and x.id = p_id
    and (x.status = 1 or x.visitor_id = p_visitor and x.status <> 4 and not x.wiped) for update;
  if not found then
    raise exception using errcode = 'CK404', message = 'review';
  end if;
  insert into review_flag (site_id, review_id, visitor_id, reason, counted)
  values (p_site, p_id, p_visitor, p_reason, banned is null and r.status = 1) on conflict do nothing;
  if not found or banned is not null or r.status <> 1 then
    return r.n_flags;
  end if;
  update review x set n_flags = x.n_flags + 1, version = x.version + 1 where x.site_id = p_site and x.id = p_id
  returning x.n_flags into n;
  perform tell_review_queued(r);
  return n;
end
$$;

-- Let a review wait that was reported as often as the site's rules say, as `hide_reported` does with comments.
create or replace function hide_reported_review(p_site int, p_id bigint, p_webhook boolean)
returns table (seq bigint, channel bigint) language plpgsql as $$
declare
  r review;
  least int := flags_that_hide(p_site);
begin
  select x.channel_id into channel from review x where x.site_id = p_site and x.id = p_id;
  perform from channel x where x.site_id = p_site and x.id = channel for no key update;
  select * into r from review x where x.site_id = p_site and x.id = p_id and x.status = 1 for update;
  if not found or least = 0 or r.n_flags < least then
    return;
  end if;
  seq := set_review_status(p_site, p_id, 0, '', p_webhook);
  perform mark_review(p_site, p_id, '{"marks":["flags"]}');
  perform note_review(p_site, p_id, 'rules', 'hold', 'flags', '{"state":"approved"}', '{"state":"pending"}');
  select * into r from review x where x.site_id = p_site and x.id = p_id;
  perform tell_review_queued(r);
  return next;
end
$$;
