-- Reports of visitors.
-- cackled: revision 1

create or replace function flag_comment(p_site int, p_id bigint, p_visitor bigint, p_ip inet, p_reason text)
returns int language plpgsql as $$
declare
  n int;
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
  else
    select x.n_flags into n from comment x where x.site_id = p_site and x.id = p_id;
  end if;
  return n;
end
$$;
