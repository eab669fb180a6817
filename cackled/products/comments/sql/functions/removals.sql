-- Removing what can be brought back.
-- cackled: revision 3

-- Delete a comment as a moderator, keeping its text with the removal it is a part of.
create or replace function remove_kept(p_site int, p_removal bigint, p_id bigint, p_webhook boolean)
returns table (seq bigint, channel bigint) language plpgsql as $$
declare
  c comment := lock_comment(p_site, p_id);
begin
  insert into removed_comment (site_id, removal_id, comment_id, src, html, media)
  values (p_site, p_removal, p_id, c.src, c.html, c.media);
  return query select x.seq, x.channel from delete_comment(p_site, p_id, null, p_webhook) x;
end
$$;

-- Bring a removed comment back: the reverse of delete_comment, step by step. Gives nothing where it is not deleted (any
-- more) or its text was forgotten.
create or replace function restore_comment(p_site int, p_removal bigint, p_id bigint, p_webhook boolean)
returns table (seq bigint, channel bigint) language plpgsql as $$
declare
  c comment;
  kept removed_comment;
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
  update comment x set src = kept.src, html = kept.html, media = kept.media where x.site_id = p_site and x.id = p_id;
  seq := set_comment_status(p_site, p_id, 1, p_webhook);
  return next;
end
$$;
