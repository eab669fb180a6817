-- Who follows what, what they were told, and how they want to be told.
-- cackled: compat 1

-- A visitor who follows something, or wants mail. state of the address: none, asked, confirmed, bounced, complained.
-- zone: a time zone of the database. mail_due: when the next letter is under way; null: none is. hour, mails: how many
-- letters went out in that hour. seen: the last notice that was read. channel_id: where their pages listen, a random
-- number that is told to them alone.
create table follower (
  site_id int not null,
  visitor_id bigint not null,
  channel_id bigint not null,
  email text not null default '',
  email_state text not null default 'none',
  asked_at timestamptz,
  language text not null default 'en',
  digest text not null default 'off',
  replies boolean not null default true,
  zone text not null default 'UTC',
  quiet_from smallint not null default 0,
  quiet_to smallint not null default 0,
  seen bigint not null default 0,
  mail_due timestamptz,
  push_due timestamptz,
  hour timestamptz not null default '-infinity',
  mails int not null default 0,
  created_at timestamptz not null default now(),
  primary key (site_id, visitor_id)
);
create index follower_email on follower (site_id, lower(email)) where email <> '';

-- kind: 1 a conversation (target: its channel), 2 a person (target: the visitor).
create table follow (
  site_id int not null,
  visitor_id bigint not null,
  kind smallint not null,
  target bigint not null,
  created_at timestamptz not null default now(),
  primary key (site_id, visitor_id, kind, target)
);
create index follow_target on follow (site_id, kind, target);

-- A comment that a follower was told of, once. reason: 1 it answers them, 2 they follow the conversation, 3 the person.
create table notice (
  site_id int not null,
  visitor_id bigint not null,
  id bigint generated always as identity,
  comment_id bigint not null,
  channel_id bigint not null,
  author_id bigint not null,
  reason smallint not null,
  created_at timestamptz not null default now(),
  mailed boolean not null default false,
  pushed boolean not null default false,
  primary key (site_id, visitor_id, comment_id)
);
create index notice_latest on notice (site_id, visitor_id, id desc);
create index notice_author on notice (site_id, author_id);
create index notice_age on notice (created_at);

-- Browsers that a push service tells (RFC 8030). hash: of the endpoint.
create table push_browser (
  site_id int not null,
  visitor_id bigint not null,
  hash bytea not null,
  endpoint text not null,
  p256dh bytea not null,
  auth bytea not null,
  created_at timestamptz not null default now(),
  primary key (site_id, visitor_id, hash)
);

-- Addresses of a site that no mail goes to any more, by their hash. reason: bounced, complained.
create table mail_stop (
  site_id int not null,
  hash bytea not null,
  reason text not null,
  created_at timestamptz not null default now(),
  primary key (site_id, hash)
);

do $$
declare
  t text;
begin
  foreach t in array array['follower', 'follow', 'notice', 'push_browser', 'mail_stop'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy own_site on %I to cackled_app
      using (site_id = (select app_site())) with check (site_id = (select app_site()))', t);
    execute format('create policy all_sites on %I to cackled_system using (true) with check (true)', t);
    execute format('grant select, insert, update, delete on %I to cackled_app, cackled_system', t);
  end loop;
end
$$;

-- Up to which transaction the event log was looked through for followers. Of no site.
create table notice_cursor (
  one boolean primary key default true check (one),
  xid xid8 not null
);
insert into notice_cursor (xid) values (pg_snapshot_xmin(pg_current_snapshot()));
grant select, update on notice_cursor to cackled_system;
