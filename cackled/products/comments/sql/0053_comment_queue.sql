-- What moderators look for: the newest of a site, the few that are not simply there, and an author's own.
-- cackled: compat 1
-- cackled: no-transaction

create index concurrently if not exists comment_site on comment (site_id, id desc) include (status, seen);

create index concurrently if not exists comment_flagged on comment (site_id, id desc) where n_flags > 0 and status = 1;

create index concurrently if not exists comment_decided on comment (site_id, status, id desc) where status > 1;

create index concurrently if not exists comment_own on comment (site_id, visitor_id, channel_id, id)
  where status in (0, 2) or shadow;
