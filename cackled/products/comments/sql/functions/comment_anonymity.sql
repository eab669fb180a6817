-- What a visitor wrote stays, and nobody knows any more whose it is: it gets the number p_fresh, which is nobody's, and
-- loses name, address and badges. At most p_most comments a call; gives what erase_comments gives.
-- cackled: revision 1

create or replace function anonymise_comments(p_site int, p_visitor bigint, p_fresh bigint, p_most int)
returns table (channel bigint, seq bigint) language plpgsql as $$
declare
  c comment;
  n int := 0;
begin
  perform erase_alone(p_site);
  for c in select x.* from comment x where x.site_id = p_site and x.visitor_id = p_visitor and x.status in (0, 1)
      and not x.shadow order by x.channel_id, x.id desc limit p_most loop
    n := n + 1;
    perform from channel x where x.site_id = p_site and x.id = c.channel_id for no key update;
    update comment x set visitor_id = p_fresh, author_name = 'Anonymous', author_extra = '', ip = null,
      modified_at = now()
    where x.site_id = p_site and x.id = c.id returning * into c;
    continue when c.status <> 1;
    channel := c.channel_id;
    seq := advance_seq(p_site, c.channel_id);
    perform replace_event_words(p_site, channel, 'comment', c.id, c.created_at, comment_json(c), null);
    perform announce(p_site, channel, seq, 'comment.updated', concat(
      '{"comment":', comment_json(c), ',"comments":', visible_comments(p_site, channel), '}'), false);
    return next;
  end loop;
  if n >= p_most then
    channel := null;
    seq := null;
    return next;
  end if;
end
$$;
