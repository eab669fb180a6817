-- As anonymise_comments, of reviews.
-- cackled: revision 1

create or replace function anonymise_reviews(p_site int, p_visitor bigint, p_fresh bigint, p_most int)
returns table (channel bigint, seq bigint) language plpgsql as $$
declare
  r review;
  n int := 0;
begin
  perform erase_alone(p_site);
  for r in select x.* from review x where x.site_id = p_site and x.visitor_id = p_visitor and x.status in (0, 1)
      order by x.channel_id, x.id desc limit p_most loop
    n := n + 1;
    channel := r.channel_id;
    perform from channel x where x.site_id = p_site and x.id = channel for no key update;
    update review x set visitor_id = p_fresh, author_name = 'Anonymous', author_extra = '', ip = null,
      modified_at = now()
    where x.site_id = p_site and x.id = r.id returning * into r;
    update review x set lexemes = review_lexemes(r) where x.site_id = p_site and x.id = r.id;
    continue when r.status <> 1;
    seq := advance_seq(p_site, channel);
    perform replace_event_words(p_site, channel, 'review', r.id, r.created_at, question_json(r), null);
    perform announce(p_site, channel, seq, 'review.updated', review_told(r), false);
    return next;
  end loop;
  if n >= p_most then
    channel := null;
    seq := null;
    return next;
  end if;
end
$$;
