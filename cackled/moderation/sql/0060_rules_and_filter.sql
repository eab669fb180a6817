-- The rules of sites, and what their spam filters have learnt.
-- cackled: compat 1

-- version: raised by every change; 0 is what a site without a row has.
create table moderation_rules (
  site_id int not null primary key,
  version bigint not null,
  rules text not null,
  changed_by text not null default '',
  changed_at timestamptz not null default now()
);
create index moderation_rules_changed on moderation_rules (changed_at);

-- spam, ham: how many texts of each kind were learnt. shared: whether the site's counts go into the shared prior.
create table spam_filter (
  site_id int not null primary key,
  version bigint not null default 0,
  spam int not null default 0,
  ham int not null default 0,
  shared boolean not null default false,
  changed_at timestamptz not null default now()
);
create index spam_filter_changed on spam_filter (changed_at);

-- In how much spam and how much else the features of a bucket were seen; version: of the filter, when it changed last.
create table spam_count (
  site_id int not null,
  bucket int not null,
  spam int not null default 0,
  ham int not null default 0,
  version bigint not null,
  primary key (site_id, bucket)
) with (fillfactor = 80);
create index spam_count_version on spam_count (site_id, version);

-- What a moderator decided of an item: spam or not (null: neither). learnt: as what the filter has counted it, with the
-- features in these buckets; where the two differ there is something to learn.
create table spam_lesson (
  site_id int not null,
  kind text not null,
  item bigint not null,
  visitor_id bigint,
  spam boolean,
  learnt boolean,
  buckets int[],
  decided_at timestamptz not null default now(),
  primary key (site_id, kind, item)
);
create index spam_lesson_waiting on spam_lesson (decided_at) where spam is distinct from learnt;
create index spam_lesson_visitor on spam_lesson (site_id, visitor_id);
create index spam_lesson_age on spam_lesson (site_id, decided_at desc);

do $$
declare
  t text;
begin
  foreach t in array array['moderation_rules', 'spam_filter', 'spam_count', 'spam_lesson'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy own_site on %I to cackled_app
      using (site_id = (select app_site())) with check (site_id = (select app_site()))', t);
    execute format('create policy all_sites on %I to cackled_system using (true) with check (true)', t);
    execute format('grant select, insert, update, delete on %I to cackled_app, cackled_system', t);
  end loop;
end
$$;

-- What sites that share teach each other: pairs of bucket (int4) and probability (float4), of buckets that enough sites
-- know. One row; nothing in it is of a single site.
create table catalog.spam_prior (
  id int primary key default 1 check (id = 1),
  version bigint not null default 0,
  sites int not null default 0,
  pairs bytea not null default '',
  made_at timestamptz not null default now()
);
grant select on catalog.spam_prior to cackled_app, cackled_system;
grant insert, update on catalog.spam_prior to cackled_system;
