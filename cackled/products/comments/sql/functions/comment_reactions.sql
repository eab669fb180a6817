-- Reactions.
-- cackled: revision 2

-- One more or fewer of a kind; null: none is left.
create or replace function add_reaction(p_counts jsonb, p_name text, p_by int) returns jsonb
language sql immutable parallel safe as $$
  select nullif(coalesce(p_counts, '{}') - p_name || case when n > 0 then jsonb_build_object(p_name, n) else '{}' end, '{}')
  from (select coalesce((p_counts ->> p_name)::int, 0) + p_by as n) x
$$;

-- Those on one comment that came together: p_on[i] puts the reaction p_names[i] of p_visitors[i], or takes it back.
-- reactions and seq are after all of them, and as that visitor sees them. refused: null, or why not.
create or replace function react_comments(
  p_site int, p_id bigint, p_visitors bigint[], p_names text[], p_on boolean[], p_ips text[]
) returns table (reactions text, seq bigint, channel bigint, refused text) language plpgsql as $$
declare
  c comment;
  counts jsonb;
  answers text[] := '{}';
  r text;
  stands boolean;
  was boolean;
  rises boolean := false;
begin
  perform from channel x where x.site_id = p_site and x.id = (
    select y.channel_id from comment y where y.site_id = p_site and y.id = p_id
  ) for no key update;
  select * into c from comment x where x.site_id = p_site and x.id = p_id
    and (x.status = 1 or x.visitor_id = any(p_visitors) and (x.status in (0, 2) or x.shadow));
  if not found then
    raise exception using errcode = 'CK404', message = 'comment';
  end if;
  perform check_writable(p_site, c.channel_id);
  counts := c.reactions;
  channel := c.channel_id;
  for i in 1 .. cardinality(p_visitors) loop
    r := ban_of(p_site, '', p_visitors[i], p_ips[i]::inet);
    if c.status <> 1 and p_visitors[i] <> c.visitor_id then
      r := 'comment';
    elsif r = 'ban' then
      r := 'banned';
    else
      -- Of somebody whom nobody is to hear: kept and shown to them, and counted nowhere.
      stands := r is null;
      r := null;
      if p_on[i] then
        insert into comment_reaction (site_id, channel_id, visitor_id, comment_id, name, counted)
        values (p_site, c.channel_id, p_visitors[i], p_id, p_names[i], stands) on conflict do nothing;
        rises := rises or found;
        if found and stands then
          counts := add_reaction(counts, p_names[i], 1);
        end if;
      else
        delete from comment_reaction x where x.site_id = p_site and x.channel_id = c.channel_id
          and x.visitor_id = p_visitors[i] and x.comment_id = p_id and x.name = p_names[i] returning x.counted into was;
        rises := rises or found;
        if found and was then
          counts := add_reaction(counts, p_names[i], -1);
        end if;
      end if;
    end if;
    answers[i] := r;
  end loop;
  if counts is distinct from c.reactions then
    update comment x set reactions = counts where x.site_id = p_site and x.id = p_id returning * into c;
  end if;
  -- What nobody else sees is told to nobody. The channel's number rises as with every reaction, counted or not: whose is
  -- not counted listens, too.
  if rises and c.status = 1 then
    seq := tell_reactions(c);
  else
    select x.seq into seq from channel x where x.site_id = p_site and x.id = c.channel_id;
  end if;
  for i in 1 .. cardinality(p_visitors) loop
    reactions := coalesce(seen_reactions(c, p_visitors[i]), '{}')::text;
    refused := answers[i];
    return next;
  end loop;
end
$$;

-- The counts as a visitor sees them, with those of theirs that are counted for nobody else.
create or replace function seen_reactions(c comment, p_visitor bigint) returns jsonb language plpgsql stable as $$
declare
  counts jsonb := c.reactions;
  one text;
begin
  for one in select x.name from comment_reaction x where x.site_id = c.site_id and x.channel_id = c.channel_id
      and x.visitor_id = p_visitor and x.comment_id = c.id and not x.counted loop
    counts := add_reaction(counts, one, 1);
  end loop;
  return counts;
end
$$;

-- Tell pages of a comment's reactions, whose channel's row is locked; gives the number.
create or replace function tell_reactions(c comment) returns bigint language plpgsql as $$
declare
  seq bigint := advance_seq(c.site_id, c.channel_id);
begin
  perform announce(c.site_id, c.channel_id, seq, 'comment.reacted', format(
    '{"id":"%s","reactions":%s}', c.id, coalesce(c.reactions, '{}')), false);
  return seq;
end
$$;

-- Take a visitor's reactions back, at most p_most a call: what erase_comments gives.
create or replace function erase_reactions(p_site int, p_visitor bigint, p_most int)
returns table (channel bigint, seq bigint) language plpgsql as $$
declare
  v comment_reaction;
  c comment;
  n int := 0;
begin
  perform erase_alone(p_site);
  for v in select x.* from comment_reaction x where x.site_id = p_site and x.visitor_id = p_visitor
      order by x.channel_id, x.comment_id, x.name limit p_most loop
    n := n + 1;
    perform from channel x where x.site_id = p_site and x.id = v.channel_id for no key update;
    delete from comment_reaction x where x.site_id = p_site and x.channel_id = v.channel_id and x.visitor_id = p_visitor
      and x.comment_id = v.comment_id and x.name = v.name returning x.* into v;
    continue when not found or not v.counted;
    update comment x set reactions = add_reaction(x.reactions, v.name, -1)
    where x.site_id = p_site and x.id = v.comment_id returning x.* into c;
    if found and c.status = 1 then
      channel := v.channel_id;
      seq := tell_reactions(c);
      return next;
    end if;
  end loop;
  if n >= p_most then
    channel := null;
    seq := null;
    return next;
  end if;
end
$$;

-- What the guest p_from reacted with becomes p_visitor's, at most p_most a call. Where both did the same, one of them is
-- taken back.
create or replace function carry_reactions(p_site int, p_visitor bigint, p_from bigint, p_most int)
returns table (channel bigint, seq bigint) language plpgsql as $$
declare
  v comment_reaction;
  c comment;
  n int := 0;
begin
  perform erase_alone(p_site);
  if not exists (select from person x where x.site_id = p_site and x.visitor_id = p_visitor)
      or exists (select from person x where x.site_id = p_site and x.visitor_id = p_from) then
    return;
  end if;
  for v in select x.* from comment_reaction x where x.site_id = p_site and x.visitor_id = p_from
      order by x.channel_id, x.comment_id, x.name limit p_most loop
    n := n + 1;
    perform from channel x where x.site_id = p_site and x.id = v.channel_id for no key update;
    delete from comment_reaction x where x.site_id = p_site and x.channel_id = v.channel_id and x.visitor_id = p_from
      and x.comment_id = v.comment_id and x.name = v.name returning x.* into v;
    continue when not found;
    insert into comment_reaction (site_id, channel_id, visitor_id, comment_id, name, counted, created_at)
    values (p_site, v.channel_id, p_visitor, v.comment_id, v.name, v.counted, v.created_at) on conflict do nothing;
    continue when found or not v.counted;
    update comment x set reactions = add_reaction(x.reactions, v.name, -1)
    where x.site_id = p_site and x.id = v.comment_id returning x.* into c;
    if found and c.status = 1 then
      channel := v.channel_id;
      seq := tell_reactions(c);
      return next;
    end if;
  end loop;
  if n >= p_most then
    channel := null;
    seq := null;
    return next;
  end if;
end
$$;
