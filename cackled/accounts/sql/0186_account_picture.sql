-- Pictures of staff.
-- cackled: compat 1

-- picture: what stands in its address, 128 random bits, '' where there is none; it stays as long as there is one.
-- picture_body: a small square, made anew by us.
alter table catalog.account add column picture text not null default '' check (length(picture) <= 40);
alter table catalog.account add column picture_body bytea check (length(picture_body) <= 262144);
create unique index account_picture on catalog.account (picture) where picture <> '';
