-- Since when a picture is with nothing any more: it goes a day after that, however old it is.
-- cackled: compat 1

alter table media add column freed_at timestamptz;
