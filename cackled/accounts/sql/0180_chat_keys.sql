-- Keys of a site's servers may be for chat: a bot.
-- cackled: compat 1

alter table catalog.site_key drop constraint site_key_scopes_check;
alter table catalog.site_key add constraint site_key_scopes_check
  check (scopes <@ array['read', 'sync', 'moderate', 'sso', 'chat'] and cardinality(scopes) > 0);
