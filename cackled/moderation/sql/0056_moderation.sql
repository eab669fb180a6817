-- What moderators decided, together and one by one, so that it can be undone; who is at what; notes about authors.
-- cackled: compat 1

-- filter: what a decision on all that matches is for, as JSON, or ''. state: running, paused, stopped, done, undoing,
-- undone.
create table moderation_action (
  site_id int not null,
  id bigint generated always as identity,
  who text not null,
  name text not null default '',
  action text not null,
  why text not null default '',
  filter text not null default '',
  state text not null default 'done',
  total int not null default 0,
  done int not null default 0,
  failed int not null default 0,
  last_item bigint,
  created_at timestamptz not null default now(),
  ended_at timestamptz,
  primary key (site_id, id)
);
create index moderation_action_age on moderation_action (created_at);

-- before: what undoing needs, as the product wrote it; no words of visitors. version: the item's after the deed.
create table moderation_step (
  site_id int not null,
  action_id bigint not null,
  item text not null,
  before text not null,
  version int not null,
  undone boolean not null default false,
  primary key (site_id, action_id, item),
  foreign key (site_id, action_id) references moderation_action on delete cascade
);

create table moderation_claim (
  site_id int not null,
  item text not null,
  who text not null,
  name text not null default '',
  until timestamptz not null,
  primary key (site_id, item)
);

create table author_note (
  site_id int not null,
  id bigint generated always as identity,
  visitor_id bigint not null,
  who text not null,
  name text not null default '',
  body text not null,
  created_at timestamptz not null default now(),
  primary key (site_id, visitor_id, id)
);

-- What an author has to read before they write again.
create table author_warning (
  site_id int not null,
  id bigint generated always as identity,
  visitor_id bigint not null,
  who text not null,
  body text not null,
  created_at timestamptz not null default now(),
  read_at timestamptz,
  primary key (site_id, visitor_id, id)
);

-- What was taken along by a ban, so that lifting it brings that back.
create table ban_action (
  site_id int not null,
  ban_id bigint not null,
  action_id bigint not null,
  primary key (site_id, ban_id, action_id)
);

do $$
declare
  t text;
begin
  foreach t in array array['moderation_action', 'moderation_step', 'moderation_claim', 'author_note',
                           'author_warning', 'ban_action'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy own_site on %I to cackled_app
      using (site_id = (select app_site())) with check (site_id = (select app_site()))', t);
    execute format('create policy all_sites on %I to cackled_system using (true) with check (true)', t);
    execute format('grant select, insert, update, delete on %I to cackled_app, cackled_system', t);
  end loop;
end
$$;
