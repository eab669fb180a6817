-- By which table of look-alike letters a person's skeleton was made: those of an older one are made anew.
-- cackled: compat 1

alter table person add column skeleton_rev smallint not null default 0;
create index person_stale_skeleton on person (site_id, visitor_id) where skeleton_rev < 1;
