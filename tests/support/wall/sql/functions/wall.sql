-- Reactions are put on walls.
-- cackled: revision 1

create or replace function reaction_json(r reaction) returns text language sql immutable parallel safe as $$
  select format('{"id":"%s","author":{"id":"%s","name":%s},"words":%s}', r.id, r.visitor_id, to_json(r.author_name),
                to_json(r.words))
$$;

create or replace function put_reaction(
  p_site int, p_channel bigint, p_key text, p_visitor bigint, p_name text, p_words text
) returns table (reaction text, seq bigint) language plpgsql as $$
declare
  r reaction;
  n int;
begin
  perform open_channel(p_site, 'wall', p_channel, p_key, '', '');
  if is_banned(p_site, lower(p_words), p_visitor, null) then
    raise exception using errcode = 'CK403', message = 'banned';
  elsif p_words = 'boring' then
    raise exception using errcode = 'CK422', message = 'boring';
  end if;
  insert into reaction (site_id, channel_id, visitor_id, author_name, words)
  values (p_site, p_channel, p_visitor, p_name, p_words) returning * into r;
  insert into wall (site_id, channel_id, reactions) values (p_site, p_channel, 1)
  on conflict (site_id, channel_id) do update set reactions = wall.reactions + 1 returning reactions into n;
  seq := advance_seq(p_site, p_channel);
  reaction := reaction_json(r);
  perform announce(p_site, p_channel, seq, 'reaction.put',
                   format('{"reaction":%s,"reactions":%s}', reaction, n), true);
  return next;
end
$$;

-- As `cackled.domain.erasure.Erasable` wants it.
create or replace function erase_reactions(p_site int, p_visitor bigint, p_most int)
returns table (channel bigint, seq bigint) language plpgsql as $$
declare
  r reaction;
  n int;
  done int := 0;
begin
  perform erase_alone(p_site);
  for r in select x.* from reaction x where x.site_id = p_site and x.visitor_id = p_visitor and not x.gone
      order by x.channel_id, x.id limit p_most loop
    perform from channel x where x.site_id = p_site and x.id = r.channel_id for no key update;
    update reaction x set words = '', author_name = '', gone = true where x.site_id = p_site and x.id = r.id;
    update wall x set reactions = x.reactions - 1 where x.site_id = p_site and x.channel_id = r.channel_id
    returning x.reactions into n;
    channel := r.channel_id;
    seq := advance_seq(p_site, channel);
    perform announce(p_site, channel, seq, 'reaction.gone', format('{"id":"%s","reactions":%s}', r.id, n), false);
    done := done + 1;
    return next;
  end loop;
  if done >= p_most then
    channel := null;
    seq := null;
    return next;
  end if;
end
$$;
