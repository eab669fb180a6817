-- Visitors that their site vouches for, letters, offers that run out, and hours of departments.
-- cackled: compat 1

-- person: the site's own id of a visitor whom it vouches for; '' for others. tokens: which tokens of the conversation
-- hold; raised when its visitor signs out. ended: it can't be opened again. mail_seconds: an answer that was not read
-- for so long goes out by mail (0: never). mailed: up to which seq answers did. transcripts: how often one was asked for.
alter table chat add column person text not null default '';
alter table chat add column tokens int not null default 0;
alter table chat add column ended boolean not null default false;
alter table chat add column mail_seconds int not null default 0;
alter table chat add column mailed bigint not null default 0;
alter table chat add column transcripts int not null default 0;
-- offered_at: since when an operator has it who did nothing yet; offer_seconds: so long they may (0: for ever).
-- offered_by: who handed it over; passed: operators who let it pass, the last of them at passed_at.
alter table chat add column offered_at timestamptz;
alter table chat add column offered_by bigint;
alter table chat add column offer_seconds int not null default 0;
alter table chat add column passed bigint[] not null default '{}';
alter table chat add column passed_at timestamptz;
-- skills: what an operator has to know for it. bot: a program of the site answers it first.
alter table chat add column skills text[] not null default '{}';
alter table chat add column bot boolean not null default false;
alter table chat add column country text not null default '';
-- hours: JSON text; '': those of the site.
alter table chat_department add column hours text not null default '';
alter table chat_department add column skills text[] not null default '{}';

create index chat_offered on chat (offered_at) where offered_at is not null;
create index chat_mail_due on chat (modified_at)
  where mail <> '' and mail_seconds > 0 and said_operator > seen_visitor and said_operator > mailed;
create index chat_address on chat (site_id, address) where state not in ('closed', 'spam');
