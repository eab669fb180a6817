-- Logos, to find those that no setting names any more.
-- cackled: compat 1

create index media_logo on media (site_id, created_at) where item = 'site:logo';
