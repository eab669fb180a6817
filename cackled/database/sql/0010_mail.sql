-- Whether a message to a site's moderators waits already; looked at with every comment of sites that want them.
-- cackled: compat 1

create index outbox_mail on outbox (site_id) where kind = 'mail' and done_at is null and dead_at is null and tries = 0;
