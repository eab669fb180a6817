-- Pictures of reviews that are not shown to everybody.
-- cackled: compat 1

update media m set shown = false
where starts_with(m.item, 'review:') and not exists (
  select from review r where r.site_id = m.site_id and r.id = substr(m.item, 8)::bigint and r.status = 1);
