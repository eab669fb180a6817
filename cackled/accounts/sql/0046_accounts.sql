-- Accounts of staff, what they may do on which site, and keys of a site's own servers. All of it is in the catalog, which
-- is one deployment's.
-- cackled: compat 1

create table catalog.account (
  id bigint generated always as identity primary key,
  email text not null check (length(email) <= 250),
  -- The address as it is compared: in small letters.
  email_key text not null unique check (length(email_key) <= 250),
  name text not null default '' check (length(name) <= 80),
  password text,
  password_at timestamptz,
  totp bytea,
  -- The last step of the clock whose code was taken: each works once.
  totp_step bigint not null default 0,
  created_at timestamptz not null default now(),
  verified_at timestamptz,
  language text not null default ''
);

create table catalog.account_session (
  id bigint generated always as identity primary key,
  account_id bigint not null references catalog.account on delete cascade,
  token_hash bytea not null unique,
  created_at timestamptz not null default now(),
  seen_at timestamptz not null default now(),
  expires_at timestamptz not null,
  -- When the account's owner last showed that it is them.
  fresh_at timestamptz not null default now(),
  address text not null default '',
  agent text not null default '',
  way text not null default 'password'
);
create index account_session_account on catalog.account_session (account_id);
create index account_session_expires on catalog.account_session (expires_at);

create table catalog.membership (
  site_id int not null references catalog.site on delete cascade,
  account_id bigint not null references catalog.account on delete cascade,
  role text not null check (role in ('owner', 'admin', 'moderator', 'operator', 'analyst')),
  sections text[] not null default '{}',
  created_at timestamptz not null default now(),
  primary key (site_id, account_id)
);
create index membership_account on catalog.membership (account_id);

create table catalog.invitation (
  id bigint generated always as identity primary key,
  site_id int not null references catalog.site on delete cascade,
  email text not null check (length(email) <= 250),
  email_key text not null check (length(email_key) <= 250),
  role text not null check (role in ('owner', 'admin', 'moderator', 'operator', 'analyst')),
  sections text[] not null default '{}',
  token_hash bytea not null unique,
  invited_by bigint references catalog.account on delete set null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  unique (site_id, email_key)
);

-- A row is one secret of a key; two of the same name live at most, so that a server can change over.
create table catalog.site_key (
  id bigint generated always as identity primary key,
  site_id int not null references catalog.site on delete cascade,
  name text not null check (length(name) between 1 and 80),
  scopes text[] not null check (scopes <@ array['read', 'sync', 'moderate', 'sso'] and cardinality(scopes) > 0),
  secret_hash bytea not null unique,
  -- Kept for the scope sso alone: what a site signs is checked with it.
  secret text,
  hint text not null,
  created_by text not null default '',
  created_at timestamptz not null default now(),
  used_at timestamptz,
  expires_at timestamptz
);
create index site_key_site on catalog.site_key (site_id);

-- Links that work once: to sign in for the first time, to choose a new password, to prove an address.
create table catalog.account_link (
  id bigint generated always as identity primary key,
  account_id bigint not null references catalog.account on delete cascade,
  kind text not null check (kind in ('welcome', 'reset', 'verify')),
  token_hash bytea not null unique,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index account_link_account on catalog.account_link (account_id);
create index account_link_expires on catalog.account_link (expires_at);

create table catalog.passkey (
  id bigint generated always as identity primary key,
  account_id bigint not null references catalog.account on delete cascade,
  credential bytea not null unique,
  public_key bytea not null,
  sign_count bigint not null default 0,
  name text not null default '' check (length(name) <= 80),
  created_at timestamptz not null default now(),
  used_at timestamptz
);
create index passkey_account on catalog.passkey (account_id);

create table catalog.recovery_code (
  account_id bigint not null references catalog.account on delete cascade,
  hash bytea not null,
  primary key (account_id, hash)
);

-- Challenges of passkeys and secrets of TOTP that are being set up: each is taken once.
create table catalog.account_challenge (
  token_hash bytea primary key,
  account_id bigint references catalog.account on delete cascade,
  kind text not null,
  value bytea not null,
  expires_at timestamptz not null
);
create index account_challenge_expires on catalog.account_challenge (expires_at);

-- What happened to an account: for its owner to see.
create table catalog.account_log (
  id bigint generated always as identity primary key,
  account_id bigint not null references catalog.account on delete cascade,
  at timestamptz not null default now(),
  what text not null,
  address text not null default '',
  agent text not null default ''
);
create index account_log_account on catalog.account_log (account_id, id desc);
create index account_log_at on catalog.account_log (at);

-- Hosts that a site's owner has shown to be theirs.
create table catalog.site_host (
  site_id int not null references catalog.site on delete cascade,
  host text not null check (length(host) <= 253),
  token text not null,
  method text not null default '',
  created_at timestamptz not null default now(),
  proven_at timestamptz,
  primary key (site_id, host)
);

-- Who wants a site deleted: another owner has to agree.
create table catalog.site_farewell (
  site_id int primary key references catalog.site on delete cascade,
  account_id bigint not null references catalog.account on delete cascade,
  asked_at timestamptz not null default now()
);

grant select, insert, update, delete on
  catalog.account, catalog.account_session, catalog.membership, catalog.invitation, catalog.site_key,
  catalog.account_link, catalog.passkey, catalog.recovery_code, catalog.account_challenge, catalog.account_log,
  catalog.site_host, catalog.site_farewell
to cackled_system;
