-- The log of what staff did, for functions that write it in the transaction of the deed.
-- cackled: revision 1

create or replace function record_audit(
  p_site int, p_actor text, p_name text, p_action text, p_target text default '', p_detail jsonb default '{}'
) returns bigint language sql as $$
  insert into audit (site_id, actor, name, action, target, detail)
  values (p_site, left(p_actor, 60), left(p_name, 120), left(p_action, 60), left(p_target, 200), p_detail)
  returning id
$$;
revoke execute on function record_audit(int, text, text, text, text, jsonb) from public;
grant execute on function record_audit(int, text, text, text, text, jsonb) to cackled_app, cackled_system;
