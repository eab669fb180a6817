-- Sites from before keep the whole address as the channel of a page, until their conversations are carried over.
-- cackled: compat 1

update catalog.site set settings = settings || '{"channel_rule": "address"}' where not settings ? 'channel_rule';
