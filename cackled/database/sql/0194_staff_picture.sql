-- The picture of a member of staff who writes here, as their account names it.
-- cackled: compat 1

alter table person add column staff_picture text not null default '';
