-- What those who are banned unnoticed have voted and reported before: out of the counts, and back.
-- cackled: revision 1

-- Whom a ban is about, of those whom it names for more than what they write; at most 200 of an address or a network.
create or replace function banned_visitors(p_site int, p_ban bigint) returns bigint[] language sql stable as $$
  select array(
    select b.value::bigint from ban b where b.site_id = p_site and b.id = p_ban and b.kind in ('visitor', 'account')
    union
    (select v.id from ban b join visitor v on v.site_id = p_site and v.last_ip <<= b.network
     where b.site_id = p_site and b.id = p_ban and b.kind = 'ip' order by v.last_seen desc limit 200)
    union
    (select p.visitor_id from ban b join person p on p.site_id = p_site and p.email <> ''
       and b.value = case b.kind when 'domain' then split_part(lower(p.email), '@', 2)
         else regexp_replace(lower(p.email), '[+][^@]*@', '@') end
     where b.site_id = p_site and b.id = p_ban and b.kind in ('mail', 'domain') limit 200))
$$;

-- Count a comment's votes anew by what was taken out or put back.
create or replace function shift_votes(p_site int, p_id bigint, p_up int, p_down int) returns void language sql as $$
  update comment x set up = x.up + p_up, down = x.down + p_down, rank = vote_rank(x.up + p_up, x.down + p_down)
  where x.site_id = p_site and x.id = p_id
$$;

-- Take votes and reports of those whom an unnoticed ban is about out of the counts, the newest 5,000 of each. No event
-- tells of any count: whoever is banned finds all as it was. Gives where each channel stands then.
create or replace function hush_voters(p_site int, p_ban bigint) returns table (channel bigint, seq bigint)
language plpgsql as $$
declare
  them bigint[] := case when exists (select from ban b where b.site_id = p_site and b.id = p_ban and b.shadow)
    then banned_visitors(p_site, p_ban) end;
  v record;
  last bigint;
begin
  for v in select x.* from (
      select y.channel_id, y.comment_id, y.visitor_id from vote y
      where y.site_id = p_site and y.visitor_id = any(them) and y.counted order by y.comment_id desc limit 5000) x
      order by x.channel_id, x.comment_id loop
    if v.channel_id is distinct from last then
      if last is not null then
        channel := last;
        seq := tell_channel(p_site, last);
        return next;
      end if;
      last := v.channel_id;
      perform from channel x where x.site_id = p_site and x.id = last for no key update;
    end if;
    -- As it is now that nobody else can change it.
    perform shift_votes(p_site, v.comment_id, -(y.value = 1)::int, -(y.value = -1)::int) from vote y
    where y.site_id = p_site and y.channel_id = v.channel_id and y.visitor_id = v.visitor_id
      and y.comment_id = v.comment_id and y.counted;
    update vote y set counted = false where y.site_id = p_site and y.channel_id = v.channel_id
      and y.visitor_id = v.visitor_id and y.comment_id = v.comment_id and y.counted;
    if found then
      insert into hushed values (p_site, p_ban, v.comment_id, v.visitor_id, false) on conflict do nothing;
    end if;
  end loop;
  if last is not null then
    channel := last;
    seq := tell_channel(p_site, last);
    return next;
  end if;
  for v in select x.comment_id, x.visitor_id from flag x
      where x.site_id = p_site and x.visitor_id = any(them) and x.counted
      order by x.comment_id desc limit 5000 loop
    update comment x set n_flags = x.n_flags - 1 where x.site_id = p_site and x.id = v.comment_id and x.n_flags > 0;
    if found then
      update flag x set counted = false
      where x.site_id = p_site and x.comment_id = v.comment_id and x.visitor_id = v.visitor_id;
      insert into hushed values (p_site, p_ban, v.comment_id, v.visitor_id, true) on conflict do nothing;
    end if;
  end loop;
end
$$;

-- Put back what a ban took out of the counts, as far as it is there still; what another unnoticed ban of the same visitor is
-- about waits for the end of that. Gives where each channel stands then.
create or replace function unhush_voters(p_site int, p_ban bigint) returns table (channel bigint, seq bigint)
language plpgsql as $$
declare
  h hushed;
  v record;
  last bigint;
begin
  update hushed x set ban_id = b.id from ban b
  where x.site_id = p_site and x.ban_id = p_ban and b.site_id = p_site and b.id <> p_ban and b.shadow
    and (b.until is null or b.until > now()) and b.kind in ('visitor', 'account') and b.value = x.visitor_id::text
    and not exists (select from hushed y where y.site_id = p_site and y.ban_id = b.id and y.comment_id = x.comment_id
                      and y.visitor_id = x.visitor_id and y.is_flag = x.is_flag);
  for v in select c.channel_id, x.comment_id, x.visitor_id from hushed x
      join comment c on c.site_id = p_site and c.id = x.comment_id
      where x.site_id = p_site and x.ban_id = p_ban and not x.is_flag order by c.channel_id, x.comment_id loop
    if v.channel_id is distinct from last then
      if last is not null then
        channel := last;
        seq := tell_channel(p_site, last);
        return next;
      end if;
      last := v.channel_id;
      perform from channel x where x.site_id = p_site and x.id = last for no key update;
    end if;
    perform shift_votes(p_site, v.comment_id, (y.value = 1)::int, (y.value = -1)::int) from vote y
    where y.site_id = p_site and y.channel_id = v.channel_id and y.visitor_id = v.visitor_id
      and y.comment_id = v.comment_id and not y.counted;
    update vote y set counted = true where y.site_id = p_site and y.channel_id = v.channel_id
      and y.visitor_id = v.visitor_id and y.comment_id = v.comment_id;
  end loop;
  if last is not null then
    channel := last;
    seq := tell_channel(p_site, last);
    return next;
  end if;
  for h in select x.* from hushed x where x.site_id = p_site and x.ban_id = p_ban and x.is_flag loop
    update flag x set counted = true where x.site_id = p_site and x.comment_id = h.comment_id
      and x.visitor_id = h.visitor_id and not x.counted;
    if found then
      update comment x set n_flags = x.n_flags + 1 where x.site_id = p_site and x.id = h.comment_id;
    end if;
  end loop;
  delete from hushed x where x.site_id = p_site and x.ban_id = p_ban;
end
$$;
