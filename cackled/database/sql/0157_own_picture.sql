-- A picture that a person uploaded: its number in media, '' for none. It goes before the one that a provider told of.
-- cackled: compat 1

alter table person add column picture text not null default '';
