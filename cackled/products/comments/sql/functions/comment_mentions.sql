-- Mentions by the visitor's number, so that they follow a person who shows another name.
-- cackled: revision 1

create or replace function comment_mentions_changed() returns trigger language plpgsql as $$
begin
  if tg_op <> 'INSERT' then
    delete from comment_mention m where m.site_id = old.site_id and m.comment_id = old.id;
  end if;
  if tg_op <> 'DELETE' then
    insert into comment_mention (site_id, comment_id, visitor_id)
    select distinct new.site_id, new.id, x.m[1]::bigint
    from regexp_matches(new.html, '<span class="mention-([1-9][0-9]{0,18})">', 'g') x (m)
    on conflict do nothing;
  end if;
  return null;
end
$$;

create or replace trigger mentions_added after insert on comment
for each row when (new.html like '%<span class="mention-%') execute function comment_mentions_changed();
create or replace trigger mentions_changed after update of html on comment
for each row when (old.html is distinct from new.html
  and (old.html like '%<span class="mention-%' or new.html like '%<span class="mention-%'))
execute function comment_mentions_changed();
create or replace trigger mentions_gone after delete on comment
for each row when (old.html like '%<span class="mention-%') execute function comment_mentions_changed();

-- Mentions of p_from become mentions of the person p_to, under the name of now; with null, words that lead nowhere. At most
-- p_most comments a call. Gives what erase_comments gives.
create or replace function rewrite_mentions(p_site int, p_from bigint, p_to bigint, p_most int)
returns table (channel bigint, seq bigint) language plpgsql as $$
declare
  c comment;
  who text;
  marked text;
  span text := '<span class="mention-' || p_from || '">([^<]*)</span>';
  typed text := '@\[([^][\n]*)\]\(visitor:' || p_from || '\)';
  new_span text := '\1';
  new_typed text := '@\1';
  n int := 0;
begin
  if p_to is not null then
    select translate(x.name, '[]', '') into who from person x where x.site_id = p_site and x.visitor_id = p_to;
    if who is null then
      return;
    end if;
    marked := concat('<span class="mention-', p_to, '">@',
                    replace(replace(replace(who, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '</span>');
    new_span := replace(marked, '\', '\\');
    new_typed := concat('@[', replace(who, '\', '\\'), '](visitor:', p_to, ')');
  end if;
  for c in select x.* from comment_mention m join comment x on x.site_id = p_site and x.id = m.comment_id
      where m.site_id = p_site and m.visitor_id = p_from and (marked is null or strpos(x.html, marked) = 0)
      order by x.channel_id, x.id desc limit p_most loop
    n := n + 1;
    perform from channel x where x.site_id = p_site and x.id = c.channel_id for no key update;
    update comment x set modified_at = now(), html = regexp_replace(x.html, span, new_span, 'g'),
      src = regexp_replace(x.src, typed, new_typed, 'g')
    where x.site_id = p_site and x.id = c.id returning * into c;
    perform search_again(p_site, c.id);
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

-- Mentions show a person's name as it is now.
create or replace function spread_mentions(p_site int, p_visitor bigint, p_most int)
returns table (channel bigint, seq bigint) language plpgsql as $$
begin
  perform erase_alone(p_site);
  return query select x.channel, x.seq from rewrite_mentions(p_site, p_visitor, p_visitor, p_most) x;
end
$$;

-- Who is forgotten is mentioned no more: what others wrote stays words.
create or replace function erase_mentions(p_site int, p_visitor bigint, p_most int)
returns table (channel bigint, seq bigint) language plpgsql as $$
begin
  perform erase_alone(p_site);
  return query select x.channel, x.seq from rewrite_mentions(p_site, p_visitor, null, p_most) x;
end
$$;
