-- An index that every new comment and every edit paid for, and that nothing read.
-- cackled: compat 1

drop index if exists comment_sync;
