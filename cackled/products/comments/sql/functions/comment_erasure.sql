-- Forgetting a visitor: comments, votes and reports.
-- cackled: revision 5

-- Scrub a visitor's comments and votes, at most p_most a call; announced on every page. Gives the channels and numbers
-- reached, and a row of nulls as long as there is more.
create or replace function erase_comments(p_site int, p_visitor bigint, p_most int)
returns table (channel bigint, seq bigint) language plpgsql as $$
declare
  c comment;
  v record;
  n int := 0;
begin
  perform erase_alone(p_site);
  for c in select x.* from comment x where x.site_id = p_site and x.visitor_id = p_visitor
      and (x.status = 1 or x.author_name <> '' or x.author_extra <> '' or x.src <> '' or x.html <> '' or x.ip is not null)
      order by x.channel_id, x.id desc limit p_most loop
    n := n + 1;
    perform from channel x where x.site_id = p_site and x.id = c.channel_id for no key update;
    channel := c.channel_id;
    seq := set_comment_status(p_site, c.id, 4, false);
    delete from comment_change x where x.site_id = p_site and x.comment_id = c.id;
    perform forget_comment_text(p_site, c.id);
    if c.status = 1 then
      return next;
    end if;
    update comment x set author_name = '', author_extra = '', src = '', html = '', media = '', ip = null, modified_at = now()
    where x.site_id = p_site and x.id = c.id;
  end loop;
  for v in select x.channel_id, x.comment_id, x.value, x.counted from vote x
      where x.site_id = p_site and x.visitor_id = p_visitor order by x.channel_id, x.comment_id limit p_most - n loop
    n := n + 1;
    perform from channel x where x.site_id = p_site and x.id = v.channel_id for no key update;
    delete from vote x where x.site_id = p_site and x.channel_id = v.channel_id and x.visitor_id = p_visitor
      and x.comment_id = v.comment_id;
    continue when not v.counted;
    update comment x set up = x.up - (v.value = 1)::int, down = x.down - (v.value = -1)::int
    where x.site_id = p_site and x.id = v.comment_id returning x.* into c;
    if found and c.status = 1 then
      channel := v.channel_id;
      seq := advance_seq(p_site, v.channel_id);
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
  delete from post_key x where x.site_id = p_site and x.visitor_id = p_visitor;
end
$$;

-- Take a visitor's votes back, at most p_most a call, by the way that their visitor does, who may be at it at the same
-- moment; erase_comments then finds those on comments that are gone. Gives the same.
create or replace function erase_votes(p_site int, p_visitor bigint, p_most int)
returns table (channel bigint, seq bigint) language plpgsql as $$
declare
  id bigint;
  x record;
  n int := 0;
begin
  perform erase_alone(p_site);
  for id in select v.comment_id from vote v join comment c on c.site_id = v.site_id and c.id = v.comment_id
      where v.site_id = p_site and v.visitor_id = p_visitor and c.status = 1
      order by v.channel_id, v.comment_id limit p_most loop
    select y.channel, y.seq, y.refused into x from vote_comments(p_site, id, array[p_visitor], array[0], null) y;
    if x.refused is not null then
      return;  -- who is banned can't vote, and so is not at it
    end if;
    channel := x.channel;
    seq := x.seq;
    n := n + 1;
    return next;
  end loop;
  if n >= p_most then
    channel := null;
    seq := null;
    return next;
  end if;
end
$$;
