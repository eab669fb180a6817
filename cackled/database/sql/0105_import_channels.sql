-- What a run brought, page by page: so it is taken back.
-- cackled: compat 1

create index import_item_channel on import_item (site_id, run_id, channel_id, item_id);
drop index import_item_run;
