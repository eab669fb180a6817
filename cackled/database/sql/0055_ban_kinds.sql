-- More that may be banned, unnoticed too; and by whom.
-- cackled: compat 1

alter table ban
  add column shadow boolean not null default false,
  add column who text not null default '';
alter table ban drop constraint ban_kind_check;
alter table ban add constraint ban_kind_check
  check (kind in ('visitor', 'account', 'ip', 'mail', 'domain', 'name', 'word'));
