-- Conversations as a whole, and their counts.
-- cackled: revision 2

-- Raise the number of a channel by one, and the counts of its comments by so many; gives the new number.
create or replace function advance_seq(
  p_site int, p_channel bigint, p_visible int, p_root int
) returns bigint language sql as $$
  update channel x set seq = x.seq + 1, n_visible = x.n_visible + p_visible, n_root = x.n_root + p_root,
    modified_at = now()
  where x.site_id = p_site and x.id = p_channel
  returning x.seq
$$;

-- How many comments a channel shows.
create or replace function visible_comments(p_site int, p_channel bigint) returns int language sql stable as $$
  select x.n_visible from channel x where x.site_id = p_site and x.id = p_channel
$$;

-- Open or close a conversation; announced only where it changes something. Gives null where there is none.
create or replace function lock_channel(p_site int, p_channel bigint, p_locked boolean) returns bigint
language plpgsql as $$
declare
  ch channel;
begin
  select * into ch from channel x where x.site_id = p_site and x.id = p_channel for no key update;
  if not found or ch.locked = p_locked then
    return ch.seq;
  end if;
  update channel x set locked = p_locked where x.site_id = p_site and x.id = p_channel;
  ch.seq := advance_seq(p_site, p_channel, 0, 0);
  perform announce(p_site, p_channel, ch.seq, 'channel.updated',
                   format('{"comments":%s,"locked":%s}', ch.n_visible, p_locked::text), false);
  return ch.seq;
end
$$;
