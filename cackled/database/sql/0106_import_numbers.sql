-- Keys led by what tells rows apart: a planner that knows nothing of these tables yet takes them for no other lookup.
-- cackled: compat 1

drop index import_item_number;
drop index import_item_channel;
create unique index import_item_number on import_item (item_id, site_id, product);
create index import_item_channel on import_item (run_id, channel_id, item_id, site_id);
alter table import_item drop constraint import_item_pkey, add primary key (external_id, source, product, site_id);
alter table import_author drop constraint import_author_pkey, add primary key (author, source, site_id);
