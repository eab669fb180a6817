-- Uploads of staff, and of one conversation.
-- cackled: compat 1

-- One of visitor_id and account_id is null. place: what it is for (chat:12), '' for whatever shows pictures.
alter table upload alter column visitor_id drop not null, add column account_id bigint,
  add column place text not null default '';
