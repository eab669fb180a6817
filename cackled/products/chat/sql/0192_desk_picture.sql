-- The picture of an operator, as their account names it.
-- cackled: compat 1

alter table chat_desk add column picture text not null default '';
