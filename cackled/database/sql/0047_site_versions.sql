-- Each change of a site raises its version, by which a change that builds on an older state is refused. Origins that
-- are not proven to be the owner's do not count.
-- cackled: compat 1

alter table catalog.site add column version bigint not null default 1;
alter table catalog.domain add column counts boolean not null default true;
