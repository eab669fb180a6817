-- Comments that move to another channel, because two keys are one page.
-- cackled: revision 4

-- Move comments from one channel to another of the key p_key, which is made where there is none: whole threads, or what is
-- shown nowhere. Votes, idempotency keys and counts go with them. Their words leave the log of the channel they were in.
-- Who looks at either channel is told by one event each: "moved" is the key of the channel where they are now.
create or replace function move_comments(p_site int, p_from bigint, p_to bigint, p_key text, p_ids bigint[])
returns table (moved int, seq_from bigint, seq_to bigint) language plpgsql as $$
declare
  src channel;
  dst channel;
  visible int;
  roots int;
  pending int;
begin
  -- As everybody who locks more than one channel: one at a time, and in the order of their ids.
  perform pg_advisory_xact_lock(1667329381, p_site);
  insert into channel (site_id, id, key, created_at)
  select p_site, p_to, p_key, x.created_at from channel x where x.site_id = p_site and x.id = p_from
  on conflict do nothing;
  perform from channel x where x.site_id = p_site and x.id in (p_from, p_to) order by x.id for no key update;
  select * into src from channel x where x.site_id = p_site and x.id = p_from;
  if not found or p_from = p_to then
    moved := 0;
    return next;
    return;
  end if;
  select * into dst from channel x where x.site_id = p_site and x.id = p_to;
  if dst.key <> p_key then
    raise exception using errcode = 'CK409', message = 'key';
  end if;
  with m as (
    update comment x set channel_id = p_to
    where x.site_id = p_site and x.id = any(p_ids) and x.channel_id = p_from
    returning x.id, x.visitor_id, x.parent_id, x.status, x.shown
  ), k as (
    update post_key x set channel_id = p_to, seq = dst.seq + 1 from m
    where x.site_id = p_site and x.visitor_id = m.visitor_id and x.channel_id = p_from and x.comment_id = m.id
      and not exists (select from post_key o where o.site_id = p_site and o.visitor_id = x.visitor_id
        and o.channel_id = p_to and o.key = x.key)
  )
  select count(*), count(*) filter (where m.status = 1), count(*) filter (where m.shown and m.parent_id is null),
    count(*) filter (where m.status = 0)
  into moved, visible, roots, pending from m;
  update comment_channel k set pinned = nullif(array(select p from unnest(k.pinned) p where p <> all(p_ids)), '{}')
  where k.site_id = p_site and k.channel_id = p_from and k.pinned && p_ids;
  perform search_again(p_site, x.id) from unnest(p_ids) x (id);
  update vote x set channel_id = p_to
  where x.site_id = p_site and x.channel_id = p_from and x.comment_id = any(p_ids);
  update comment_reaction x set channel_id = p_to
  where x.site_id = p_site and x.channel_id = p_from and x.comment_id = any(p_ids);
  update event e set data = reworded_event(e.data, 'comment', null, scrubbed_comment())
  where e.site_id = p_site and e.channel_id = p_from
    and substring(e.data from '^[{]"comment":[{]"id":"([0-9]{1,19})",')::bigint = any(p_ids);
  select x.seq, x.visible into src.seq, src.n_visible
  from count_comments(p_site, p_from, 1, -visible, -roots, -pending, 0) x;
  update channel x set locked = x.locked or src.locked,
    -- Where the page was seen last.
    url = case when src.url <> '' and (x.url = '' or src.last_comment_id > x.last_comment_id) then src.url else x.url end,
    title = case when src.title <> '' and (x.title = '' or src.last_comment_id > x.last_comment_id) then src.title
      else x.title end
  where x.site_id = p_site and x.id = p_to returning * into dst;
  select x.seq, x.visible into dst.seq, dst.n_visible
  from count_comments(p_site, p_to, 1, visible, roots, pending, src.last_comment_id) x;
  perform announce(p_site, p_from, src.seq, 'channel.updated', format(
    '{"comments":%s,"locked":%s,"moved":%s}', src.n_visible, src.locked::text, to_json(p_key)), false);
  perform announce(p_site, p_to, dst.seq, 'channel.updated', format(
    '{"comments":%s,"locked":%s,"moved":%s}', dst.n_visible, dst.locked::text, to_json(p_key)), false);
  seq_from := src.seq;
  seq_to := dst.seq;
  return next;
end
$$;

-- Take a channel away that all comments have left; gives whether it is gone.
create or replace function drop_left_channel(p_site int, p_channel bigint) returns boolean language plpgsql as $$
begin
  perform from channel x where x.site_id = p_site and x.id = p_channel for update;
  delete from channel x where x.site_id = p_site and x.id = p_channel
    and not exists (select from comment_channel k where k.site_id = p_site and k.channel_id = p_channel
      and (k.n_visible <> 0 or k.n_pending <> 0 or k.n_root <> 0))
    and not exists (select from comment c where c.site_id = p_site and c.channel_id = p_channel and c.parent_id is null
      and c.shown)
    and not exists (select from comment c where c.site_id = p_site and c.channel_id = p_channel
      and c.parent_id is not null and c.shown);
  if not found then
    return false;
  end if;
  delete from comment_channel x where x.site_id = p_site and x.channel_id = p_channel;
  return true;
end
$$;
