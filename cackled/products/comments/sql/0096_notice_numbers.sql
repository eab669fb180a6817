-- Notices are numbered by time, as comments are: a site that moves to another shard goes on with higher numbers.
-- cackled: compat 1
alter table notice alter column id drop identity if exists;
alter table notice alter column id set default next_id(0);
grant usage on sequence comment_id_low to cackled_app, cackled_system;
