-- Removing what can be brought back.
-- cackled: revision 1

-- Delete a comment as a moderator, keeping its text with the removal it is a part of.
create or replace function remove_kept(p_site int, p_removal bigint, p_id bigint, p_webhook boolean)
returns table (seq bigint, channel bigint) language plpgsql as $$
declare
  c comment := lock_comment(p_site, p_id);
begin
  insert into removed_comment (site_id, removal_id, comment_id, src, html)
  values (p_site, p_removal, p_id, c.src, c.html);
  return query select x.seq, x.channel from delete_comment(p_site, p_id, null, p_webhook) x;
end
$$;

-- Bring a removed comment back: the reverse of delete_comment, step by step. Gives nothing where it is not deleted (any
-- more) or its text was forgotten.
create or replace function restore_comment(p_site int, p_removal bigint, p_id bigint, p_webhook boolean)
returns table (seq bigint, channel bigint) language plpgsql as $$
declare
  c comment;
  up comment;
  kept removed_comment;
  hidden boolean;
  tombstone boolean;
  roots int := 0;
begin
  select x.channel_id into channel from comment x where x.site_id = p_site and x.id = p_id;
  perform from channel x where x.site_id = p_site and x.id = channel for no key update;
  select * into c from comment x where x.site_id = p_site and x.id = p_id and x.status = 4;
  if not found then
    return;
  end if;
  delete from removed_comment x where x.site_id = p_site and x.removal_id = p_removal and x.comment_id = p_id
  returning * into kept;
  if not found then
    return;
  end if;
  tombstone := c.shown;
  hidden := not tombstone;
  update comment x set status = 1, shown = true, src = kept.src, html = kept.html, modified_at = now()
  where x.site_id = p_site and x.id = p_id returning * into c;
  up := c;
  while hidden loop
    if up.parent_id is null then
      roots := 1;
      exit;
    end if;
    update comment x set n_thread = x.n_thread + 1 where x.site_id = p_site and x.id = up.root_id;
    select not x.shown into hidden from comment x where x.site_id = p_site and x.id = up.parent_id;
    update comment x set n_replies = x.n_replies + 1, shown = true
    where x.site_id = p_site and x.id = up.parent_id returning * into up;
  end loop;
  seq := advance_seq(p_site, channel, 1, roots);
  -- Where a tombstone stood an update fills it in.
  perform announce(p_site, channel, seq, case when tombstone then 'comment.updated' else 'comment.created' end,
                   concat('{"comment":', comment_json(c), ',"comments":', visible_comments(p_site, channel), '}'),
                   p_webhook);
  return next;
end
$$;
