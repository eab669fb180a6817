-- The order "discussed": without it a page of 100,000 roots sorts all of them on disk.
-- cackled: compat 1
-- cackled: no-transaction

create index concurrently if not exists comment_root_discussed on comment (site_id, channel_id, n_thread desc, id desc)
  where parent_id is null and shown;
