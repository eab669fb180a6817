-- A reporter's record.
-- cackled: compat 1
-- cackled: no-transaction

create index concurrently if not exists flag_visitor on flag (site_id, visitor_id);
