-- Conversations as a whole, and their counts.
-- cackled: revision 4

-- Raise the number of a channel by p_steps and the counts of its comments by so many; p_last is its newest comment (0:
-- as it is). Gives the new number and how many comments it shows now. Its counts are those of comment_channel; the
-- columns of `channel` with the same names are for releases that read them there, and are counted first, so that what
-- an old function under way has counted is not lost.
create or replace function count_comments(
  p_site int, p_channel bigint, p_steps int, p_visible int, p_root int, p_pending int, p_last bigint
) returns table (seq bigint, visible int) language sql as $$
  with counted as (
    update channel x set seq = x.seq + p_steps, n_visible = x.n_visible + p_visible, n_root = x.n_root + p_root,
      n_pending = x.n_pending + p_pending, last_comment_id = greatest(x.last_comment_id, p_last), modified_at = now()
    where x.site_id = p_site and x.id = p_channel
    returning x.seq, x.n_visible, x.n_root, x.n_pending, x.last_comment_id
  ), kept as (
    insert into comment_channel (site_id, channel_id, n_visible, n_root, n_pending, last_comment_id)
    select p_site, p_channel, c.n_visible, c.n_root, c.n_pending, c.last_comment_id from counted c
    on conflict (site_id, channel_id) do update set n_visible = excluded.n_visible, n_root = excluded.n_root,
      n_pending = excluded.n_pending, last_comment_id = excluded.last_comment_id
  )
  select c.seq, c.n_visible from counted c
$$;

-- The same by one, where nothing is posted; gives the new number.
create or replace function advance_seq(
  p_site int, p_channel bigint, p_visible int, p_root int
) returns bigint language sql as $$
  select seq from count_comments(p_site, p_channel, 1, p_visible, p_root, 0, 0)
$$;

-- How many comments a channel shows.
create or replace function visible_comments(p_site int, p_channel bigint) returns int language sql stable as $$
  select x.n_visible from comment_channel x where x.site_id = p_site and x.channel_id = p_channel
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
  return tell_channel(p_site, p_channel);
end
$$;

-- From here on functions of this release count.
do $$
begin
  if to_regproc('counted_before') is not null then
    drop trigger counted_before on channel;
    drop function counted_before();
  end if;
end
$$;
