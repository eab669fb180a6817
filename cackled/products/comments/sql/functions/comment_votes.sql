-- Votes.
-- cackled: revision 6

-- p_ips: from where each came, as text (null: not known). The author's own vote changes nothing; one from before can be
-- taken back. counted: whether this one stands. refused: null, or why not. up, down and seq are those after all of them.
create or replace function vote_comments(
  p_site int, p_id bigint, p_visitors bigint[], p_values int[], p_ips text[]
) returns table (up int, down int, seq bigint, channel bigint, refused text, counted boolean) language plpgsql as $$
declare
  c comment;
  answers text[] := '{}';
  was int;
  r text;
  stands boolean;
  apart int[] := '{}';
  shown int;
  rises boolean := false;
begin
  perform from channel x where x.site_id = p_site and x.id = (
    select y.channel_id from comment y where y.site_id = p_site and y.id = p_id
  ) for no key update;
  -- Its author sees it where others don't (yet), and is answered as ever.
  select * into c from comment x where x.site_id = p_site and x.id = p_id
    and (x.status = 1 or x.visitor_id = any(p_visitors) and (x.status in (0, 2) or x.shadow));
  if not found then
    raise exception using errcode = 'CK404', message = 'comment';
  end if;
  perform check_writable(p_site, c.channel_id);
  up := c.up;
  down := c.down;
  channel := c.channel_id;
  for i in 1 .. cardinality(p_visitors) loop
    r := ban_of(p_site, '', p_visitors[i], p_ips[i]::inet);
    apart[i] := 0;
    if c.status <> 1 and p_visitors[i] <> c.visitor_id then
      r := 'comment';
    elsif r = 'ban' then
      r := 'banned';
    elsif p_visitors[i] <> c.visitor_id or p_values[i] = 0 then
      -- Of somebody whom nobody is to hear: kept and shown to them, and counted nowhere.
      stands := r is null;
      r := null;
      select v.value * v.counted::int, v.value into was, shown from vote v where v.site_id = p_site
        and v.channel_id = c.channel_id and v.visitor_id = p_visitors[i] and v.comment_id = p_id;
      was := coalesce(was, 0);
      -- The channel's number rises as with every vote, counted or not: they listen, too.
      rises := rises or coalesce(shown, 0) <> p_values[i];
      if not stands then
        apart[i] := p_values[i];
      end if;
      if not stands or was <> p_values[i] or coalesce(shown, 0) <> p_values[i] then
        if p_values[i] = 0 then
          delete from vote v where v.site_id = p_site and v.channel_id = c.channel_id
            and v.visitor_id = p_visitors[i] and v.comment_id = p_id;
        else
          insert into vote (site_id, channel_id, visitor_id, comment_id, value, counted)
          values (p_site, c.channel_id, p_visitors[i], p_id, p_values[i], stands)
          on conflict (site_id, channel_id, visitor_id, comment_id)
          do update set value = excluded.value, counted = excluded.counted;
        end if;
        up := up + (stands and p_values[i] = 1)::int - (was = 1)::int;
        down := down + (stands and p_values[i] = -1)::int - (was = -1)::int;
      end if;
    end if;
    answers[i] := nullif(r, 'shadow');
  end loop;
  if up <> c.up or down <> c.down then
    update comment x set up = vote_comments.up, down = vote_comments.down
    where x.site_id = p_site and x.id = p_id;
  end if;
  if up <> c.up or down <> c.down or rises and c.status = 1 then
    seq := advance_seq(p_site, c.channel_id);
    perform announce(p_site, channel, seq, 'comment.voted', format(
      '{"id":"%s","up":%s,"down":%s,"score":%s}', p_id, up, down, up - down), false);
  else
    select x.seq into seq from channel x where x.site_id = p_site and x.id = c.channel_id;
  end if;
  c.up := up;
  c.down := down;
  for i in 1 .. cardinality(p_visitors) loop
    up := c.up + (apart[i] = 1)::int;
    down := c.down + (apart[i] = -1)::int;
    refused := answers[i];
    counted := refused is null and (p_visitors[i] <> c.visitor_id or p_values[i] = 0);
    return next;
  end loop;
end
$$;
