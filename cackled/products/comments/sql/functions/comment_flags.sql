-- Reports of visitors.
-- cackled: revision 1

-- Each visitor counts once. p_mail: the moderators are written to in a minute of all reports of the comment that there
-- are by then, unless that is due already. Looked for under the lock of the comment's row, so that reports that come at
-- once are one message.
create or replace function flag_comment(
  p_site int, p_id bigint, p_visitor bigint, p_ip inet, p_reason text, p_mail boolean
) returns int language plpgsql as $$
declare
  n int;
  mail text := format('{"about":"flag","id":"%s"}', p_id);
begin
  if is_banned(p_site, '', p_visitor, p_ip) then
    raise exception using errcode = 'CK403', message = 'banned';
  end if;
  perform from comment x where x.site_id = p_site and x.id = p_id and x.status = 1 for update;
  if not found then
    raise exception using errcode = 'CK404', message = 'comment';
  end if;
  insert into flag (site_id, comment_id, visitor_id, reason) values (p_site, p_id, p_visitor, p_reason)
  on conflict do nothing;
  if found then
    update comment x set n_flags = x.n_flags + 1 where x.site_id = p_site and x.id = p_id returning x.n_flags into n;
    if p_mail and not exists (
      select from outbox x where x.site_id = p_site and x.kind = 'mail' and x.done_at is null and x.dead_at is null
        and x.tries = 0 and x.body = mail
    ) then
      insert into outbox (site_id, kind, body, next_at) values (p_site, 'mail', mail, now() + interval '1 minute');
    end if;
  else
    select x.n_flags into n from comment x where x.site_id = p_site and x.id = p_id;
  end if;
  return n;
end
$$;
