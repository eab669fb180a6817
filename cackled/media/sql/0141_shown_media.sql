-- Whether everybody may see a picture: it is with something that is shown. Others are served by signed addresses alone.
-- cackled: compat 1

alter table media add column shown boolean not null default false;
update media set shown = true where item <> '';
