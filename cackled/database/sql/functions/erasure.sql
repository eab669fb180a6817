-- Forgetting a visitor.
-- cackled: revision 2

-- Scrub what a visitor left, at most p_most comments a call; announced on every page it was on. Gives the channels and
-- numbers reached, and a row of nulls as long as there is more.
create or replace function erase_visitor(p_site int, p_visitor bigint, p_most int)
returns table (channel bigint, seq bigint) language plpgsql as $$
declare
  c comment;
  v record;
  n int := 0;
begin
  -- The only writer that locks more than one channel: one at a time.
  perform pg_advisory_xact_lock(1667329381, p_site);
  insert into erasure (site_id, visitor_id) values (p_site, p_visitor) on conflict do nothing;
  for c in select x.* from comment x where x.site_id = p_site and x.visitor_id = p_visitor
      and (x.status = 1 or x.author_name <> '' or x.src <> '' or x.html <> '' or x.ip is not null)
      order by x.channel_id, x.id desc limit p_most loop
    n := n + 1;
    if c.status = 1 then
      select x.channel, x.seq into channel, seq from delete_comment(p_site, c.id, p_visitor, false) x;
      return next;
    end if;
    update comment x set author_name = '', src = '', html = '', ip = null, modified_at = now()
    where x.site_id = p_site and x.id = c.id;
  end loop;
  for v in select x.channel_id, x.comment_id, x.value from vote x where x.site_id = p_site and x.visitor_id = p_visitor
      order by x.channel_id, x.comment_id limit p_most - n loop
    n := n + 1;
    perform from channel x where x.site_id = p_site and x.id = v.channel_id for no key update;
    delete from vote x where x.site_id = p_site and x.channel_id = v.channel_id and x.visitor_id = p_visitor
      and x.comment_id = v.comment_id;
    update comment x set up = x.up - (v.value = 1)::int, down = x.down - (v.value = -1)::int,
      rank = vote_rank(x.up - (v.value = 1)::int, x.down - (v.value = -1)::int)
    where x.site_id = p_site and x.id = v.comment_id returning x.* into c;
    if found and c.status = 1 then
      channel := v.channel_id;
      seq := advance_seq(p_site, v.channel_id, 0, 0);
      perform announce(p_site, channel, seq, 'comment.voted', format(
        '{"id":"%s","up":%s,"down":%s,"score":%s}', c.id, c.up, c.down, c.up - c.down), false);
      return next;
    end if;
  end loop;
  if n >= p_most then
    channel := null;
    seq := null;
    return next;
    return;
  end if;
  delete from removed_comment x using comment y
  where x.site_id = p_site and y.site_id = p_site and y.id = x.comment_id and y.visitor_id = p_visitor;
  delete from flag x where x.site_id = p_site and x.visitor_id = p_visitor;
  delete from block x where x.site_id = p_site and p_visitor in (x.visitor_id, x.author_id);
  delete from post_key x where x.site_id = p_site and x.visitor_id = p_visitor;
  delete from visitor x where x.site_id = p_site and x.id = p_visitor;
  delete from outbox x where x.site_id = p_site
    and strpos(x.body, format('"author":{"id":"%s"', p_visitor)) > 0;
  -- What the log still holds of their words; their numbers stay, so that nobody sees a gap.
  update event x set data = scrubbed_event(x.data)
  where x.site_id = p_site and strpos(x.data, format('"author":{"id":"%s"', p_visitor)) > 0
    and x.channel_id in (select y.channel_id from comment y where y.site_id = p_site and y.visitor_id = p_visitor);
end
$$;
