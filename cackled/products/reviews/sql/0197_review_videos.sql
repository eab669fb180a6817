-- Videos that reviews name, as JSON as it is given out: address and title of each; '' where none has one.
-- cackled: compat 1

alter table review add column if not exists videos text not null default '';
