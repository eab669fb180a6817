-- Comments that wait, that were refused, that only their author sees; and what moderators did to each.
-- cackled: compat 1

-- version: raised by every decision and edit, so that nobody decides on what they have not seen. shadow: shown to its
-- author as if to everybody, and to nobody else. locked: no edits and replies. seen: a moderator looked at it.
alter table comment
  add column version int not null default 0,
  add column shadow boolean not null default false,
  add column locked boolean not null default false,
  add column featured boolean not null default false,
  add column seen boolean not null default true;
alter table comment alter column seen set default false;

-- A vote or a report of somebody whose doings nobody else sees.
alter table vote add column counted boolean not null default true;
alter table flag add column counted boolean not null default true;

-- read_only: nothing can be done there; slow: seconds from one comment of somebody to their next. pinned: comments that
-- stand above all others.
alter table comment_channel
  add column read_only boolean not null default false,
  add column slow int not null default 0,
  add column pinned bigint[];

-- Why a comment was not shown at once: a row for each reason. The first has what the spam filter said.
create table comment_mark (
  site_id int not null,
  comment_id bigint not null,
  mark text not null,
  score real,
  words text[] not null default '{}',
  primary key (site_id, comment_id, mark)
);
create index comment_mark_mark on comment_mark (site_id, mark, comment_id desc);

-- A new text of a published comment that waits for a moderator.
create table comment_revision (
  site_id int not null,
  comment_id bigint not null,
  src text not null,
  html text not null,
  created_at timestamptz not null default now(),
  primary key (site_id, comment_id)
);

-- The text of what moderators deleted, so that they can bring it back: it is gone from the comment itself.
create table comment_kept (
  site_id int not null,
  comment_id bigint not null,
  src text not null,
  html text not null,
  created_at timestamptz not null default now(),
  primary key (site_id, comment_id)
);
create index comment_kept_age on comment_kept (created_at);

-- Everything that was done to a comment, by whom and why; before and after are JSON.
create table comment_change (
  site_id int not null,
  id bigint generated always as identity,
  comment_id bigint not null,
  who text not null,
  deed text not null,
  why text not null default '',
  before text not null default '',
  after text not null default '',
  created_at timestamptz not null default now(),
  primary key (site_id, comment_id, id)
);
create index comment_change_age on comment_change (created_at);

do $$
declare
  t text;
begin
  foreach t in array array['comment_mark', 'comment_revision', 'comment_kept', 'comment_change'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy own_site on %I to cackled_app
      using (site_id = (select app_site())) with check (site_id = (select app_site()))', t);
    execute format('create policy all_sites on %I to cackled_system using (true) with check (true)', t);
    execute format('grant select, insert, update, delete on %I to cackled_app, cackled_system', t);
  end loop;
end
$$;
