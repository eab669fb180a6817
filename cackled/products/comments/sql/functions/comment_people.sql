-- What comments show of people who signed in, and how those of a guest become theirs.
-- cackled: revision 6

-- Put into each new comment what it shows of its author. Most are guests. The plan is kept also within functions that
-- have theirs made anew each time.
create or replace function comment_author() returns trigger language plpgsql set plan_cache_mode = force_generic_plan as $$
begin
  new.author_extra := '';
  if exists (select from person p where p.site_id = new.site_id and p.visitor_id = new.visitor_id) then
    new.author_extra := coalesce(author_extra(new.site_id, new.visitor_id), '');
  end if;
  return new;
end
$$;
do $$
begin
  if not exists (select from pg_trigger where tgrelid = 'comment'::regclass and tgname = 'author') then
    create trigger author before insert on comment for each row execute function comment_author();
  end if;
end
$$;

-- Show a person's name and picture as they are now on what they wrote, at most p_most comments a call. Gives what
-- erase_comments gives.
create or replace function spread_comments(p_site int, p_visitor bigint, p_most int)
returns table (channel bigint, seq bigint) language plpgsql as $$
declare
  c comment;
  who text;
  extra text;
  n int := 0;
  last bigint;
begin
  perform erase_alone(p_site);
  select x.name, author_extra(p_site, p_visitor) into who, extra from person x
  where x.site_id = p_site and x.visitor_id = p_visitor;
  if not found then
    return;
  end if;
  for c in select x.* from comment x where x.site_id = p_site and x.visitor_id = p_visitor
      and (x.author_name <> who or strip_first_week(x.author_extra) <> strip_first_week(extra))
      order by x.channel_id, x.id desc limit p_most loop
    n := n + 1;
    if last is distinct from c.channel_id then
      last := c.channel_id;
      perform from channel x where x.site_id = p_site and x.id = last for no key update;
    end if;
    update comment x set author_name = who, modified_at = now(), author_extra =
      case when strpos(x.author_extra, '"first-week"') > 0 or x.author_extra = '' then extra
      else strip_first_week(extra) end
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
    return;
  end if;
  return query select x.channel, x.seq from spread_mentions(p_site, p_visitor, p_most) x;
end
$$;

-- The members without the badge of somebody's first week, which stays with what was written then.
create or replace function strip_first_week(p_extra text) returns text language sql immutable parallel safe as $$
  select replace(replace(replace(p_extra, '"first-week", ', ''), ', "first-week"', ''), '"first-week"', '')
$$;

-- What the guest p_from wrote, voted and reacted with becomes p_visitor's, at most p_most comments and votes a call. Gives what
-- erase_comments gives.
create or replace function carry_comments(p_site int, p_visitor bigint, p_from bigint, p_most int)
returns table (channel bigint, seq bigint) language plpgsql as $$
declare
  c comment;
  v record;
  n int := 0;
begin
  perform erase_alone(p_site);
  if not exists (select from person x where x.site_id = p_site and x.visitor_id = p_visitor)
      or exists (select from person x where x.site_id = p_site and x.visitor_id = p_from) then
    return;
  end if;
  perform carry_follows(p_site, p_visitor, p_from);
  for channel, seq in select x.channel, x.seq from rewrite_mentions(p_site, p_from, p_visitor, p_most) x loop
    return next;
    if channel is null then
      return;
    end if;
  end loop;
  for channel, seq in select x.channel, x.seq from carry_reactions(p_site, p_visitor, p_from, p_most) x loop
    return next;
    if channel is null then
      return;
    end if;
  end loop;
  -- A ban is not left behind by signing in, nor is what moderators said.
  update author_warning w set visitor_id = p_visitor where w.site_id = p_site and w.visitor_id = p_from;
  update author_note w set visitor_id = p_visitor where w.site_id = p_site and w.visitor_id = p_from;
  insert into ban (site_id, kind, value, until, note, shadow, who)
  select b.site_id, b.kind, p_visitor::text, b.until, b.note, b.shadow, b.who from ban b
  where b.site_id = p_site and b.kind = 'visitor' and b.value = p_from::text on conflict do nothing;
  update hushed h set visitor_id = p_visitor where h.site_id = p_site and h.visitor_id = p_from and not exists (
    select from hushed x where x.site_id = p_site and x.visitor_id = p_visitor and x.ban_id = h.ban_id
      and x.comment_id = h.comment_id and x.is_flag = h.is_flag);
  for c in select x.* from comment x where x.site_id = p_site and x.visitor_id = p_from
      order by x.channel_id, x.id desc limit p_most loop
    n := n + 1;
    perform from channel x where x.site_id = p_site and x.id = c.channel_id for no key update;
    update comment x set visitor_id = p_visitor, author_extra = author_extra(p_site, p_visitor), modified_at = now(),
      author_name = (select y.name from person y where y.site_id = p_site and y.visitor_id = p_visitor)
    where x.site_id = p_site and x.id = c.id returning * into c;
    -- Nobody votes for themselves.
    for v in select x.value * x.counted::int as value from vote x where x.site_id = p_site and x.channel_id = c.channel_id
        and x.visitor_id = p_visitor and x.comment_id = c.id loop
      delete from vote x where x.site_id = p_site and x.channel_id = c.channel_id and x.visitor_id = p_visitor
        and x.comment_id = c.id;
      update comment x set up = x.up - (v.value = 1)::int, down = x.down - (v.value = -1)::int
      where x.site_id = p_site and x.id = c.id returning * into c;
    end loop;
    continue when c.status <> 1;
    channel := c.channel_id;
    seq := advance_seq(p_site, c.channel_id);
    perform replace_event_words(p_site, channel, 'comment', c.id, c.created_at, comment_json(c), null);
    perform announce(p_site, channel, seq, 'comment.updated', concat(
      '{"comment":', comment_json(c), ',"comments":', visible_comments(p_site, channel), '}'), false);
    return next;
  end loop;
  for v in select x.channel_id, x.comment_id, x.value * x.counted::int as value from vote x
      where x.site_id = p_site and x.visitor_id = p_from
      order by x.channel_id, x.comment_id limit p_most - n loop
    n := n + 1;
    perform from channel x where x.site_id = p_site and x.id = v.channel_id for no key update;
    if exists (select from vote x where x.site_id = p_site and x.channel_id = v.channel_id
               and x.visitor_id = p_visitor and x.comment_id = v.comment_id)
        or exists (select from comment x where x.site_id = p_site and x.id = v.comment_id and x.visitor_id = p_visitor) then
      delete from vote x where x.site_id = p_site and x.channel_id = v.channel_id and x.visitor_id = p_from
        and x.comment_id = v.comment_id;
      update comment x set up = x.up - (v.value = 1)::int, down = x.down - (v.value = -1)::int
      where x.site_id = p_site and x.id = v.comment_id returning * into c;
      if found and c.status = 1 then
        channel := v.channel_id;
        seq := advance_seq(p_site, v.channel_id);
        perform announce(p_site, channel, seq, 'comment.voted', format(
          '{"id":"%s","up":%s,"down":%s,"score":%s}', c.id, c.up, c.down, c.up - c.down), false);
        return next;
      end if;
    else
      update vote x set visitor_id = p_visitor where x.site_id = p_site and x.channel_id = v.channel_id
        and x.visitor_id = p_from and x.comment_id = v.comment_id;
    end if;
  end loop;
  if n >= p_most then
    channel := null;
    seq := null;
    return next;
    return;
  end if;
  insert into flag (site_id, comment_id, visitor_id, reason, created_at, counted)
  select x.site_id, x.comment_id, p_visitor, x.reason, x.created_at, x.counted from flag x
  where x.site_id = p_site and x.visitor_id = p_from on conflict do nothing;
  with gone as (
    delete from flag x where x.site_id = p_site and x.visitor_id = p_from returning x.comment_id
  )
  update comment x set n_flags = (
    select count(*) from flag f where f.site_id = p_site and f.comment_id = x.id and f.visitor_id <> p_from
      and f.counted)
  where x.site_id = p_site and x.id in (select g.comment_id from gone g);
  delete from post_key x where x.site_id = p_site and x.visitor_id = p_from;
end
$$;

