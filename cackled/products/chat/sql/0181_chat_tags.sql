-- Tags that a site's page sets on its visitor.
-- cackled: compat 1

alter table chat add column tags text[] not null default '{}';
