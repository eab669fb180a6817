-- What a comment shows of its author beside id and name.
-- cackled: compat 1

alter table comment add column author_extra text not null default '';
