-- Sites that were deleted: their numbers are not given again, as pages and tokens of theirs may still be about; and a
-- backup from before is made to forget them.
-- cackled: compat 1

create table catalog.deleted_site (
  site_id int primary key,
  -- Every row of it is gone, in all shards.
  done boolean not null default false,
  deleted_at timestamptz not null default now()
);
grant select, insert, update on catalog.deleted_site to cackled_system;
