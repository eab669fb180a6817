-- Pictures of comments that are not shown to everybody.
-- cackled: compat 1

update media m set shown = false
where starts_with(m.item, 'comment:') and not exists (
  select from comment c where c.site_id = m.site_id and c.id = substr(m.item, 9)::bigint and c.status = 1);
