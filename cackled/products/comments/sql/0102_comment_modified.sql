-- What changed since a time, for servers that keep a copy: blocks that can't have it are passed over. A summary of blocks
-- costs writes next to nothing, and does not keep votes from being stored in place.
-- cackled: compat 1
-- cackled: no-transaction

create index concurrently if not exists comment_modified on comment using brin (modified_at) with (autosummarize = on);
