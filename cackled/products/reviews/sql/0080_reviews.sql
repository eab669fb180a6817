-- Reviews of what a page is about, questions and answers below it, and what is counted of them.
-- cackled: compat 1

-- kind: 0 review, 1 question, 2 answer (parent_id: to which question). status: 0 pending, 1 approved, 2 spam, 3 rejected,
-- 4 deleted. star is null of questions, answers, and of what was never rated. criteria: {"quality": 4}, attributes:
-- {"fit": "small"}, media: [{"url": .., "alt": ..}]. verified: '', 'order' (bought, by a token of ours) or 'source' (so
-- says where it was imported from, which is source). reason: why it is not shown, as its author is told. wiped: its words
-- are gone for good. rank: by helpful votes.
create table review (
  site_id int not null,
  id bigint not null,
  channel_id bigint not null,
  kind smallint not null default 0,
  parent_id bigint,
  visitor_id bigint not null,
  author_name text not null default '',
  author_extra text not null default '',
  ip inet,
  star smallint check (star between 1 and 5),
  title text not null default '',
  pros text not null default '',
  cons text not null default '',
  src text not null default '',
  html text not null default '',
  recommend boolean,
  criteria jsonb not null default '{}',
  attributes jsonb not null default '{}',
  variant text not null default '',
  media jsonb not null default '[]',
  experienced date,
  verified text not null default '',
  source text not null default '',
  source_id text,
  import_id bigint,
  order_id bigint,
  incentivized boolean not null default false,
  staff boolean not null default false,
  featured boolean not null default false,
  status smallint not null default 1,
  shadow boolean not null default false,
  seen boolean not null default false,
  wiped boolean not null default false,
  reason text not null default '',
  version int not null default 0,
  up int not null default 0,
  down int not null default 0,
  rank real not null default 0,
  n_flags int not null default 0,
  n_answers int not null default 0,
  created_at timestamptz not null default now(),
  edited_at timestamptz,
  modified_at timestamptz not null default now(),
  lexemes tsvector not null default '',
  primary key (site_id, id)
);
-- One review of a person for each page.
create unique index review_once on review (site_id, channel_id, visitor_id) where kind = 0 and status <> 4;
create unique index review_source on review (site_id, source, source_id) where source_id is not null;
create index review_new on review (site_id, channel_id, kind, created_at desc, id desc) where status = 1;
create index review_helpful on review (site_id, channel_id, kind, rank desc, id desc) where status = 1;
create index review_stars on review (site_id, channel_id, star, created_at desc, id desc) where status = 1 and kind = 0;
create index review_answers on review (site_id, parent_id, id) where parent_id is not null;
create index review_site on review (site_id, id desc) include (status, seen);
create index review_flagged on review (site_id, id desc) where n_flags > 0 and status = 1;
create index review_decided on review (site_id, status, id desc) where status <> 1;
create index review_visitor on review (site_id, visitor_id, channel_id, id);
create index review_import on review (site_id, import_id, id) where import_id is not null;
create index review_modified on review (site_id, modified_at, id);
create index review_lexemes on review using gin (lexemes);

-- What a page has of reviews that are shown. total: of their stars; own_*: without those that were imported; last_id: the
-- greatest number there. changed_at and recounted_at: when it changed last, and was compared with the reviews.
create table review_summary (
  site_id int not null,
  channel_id bigint not null,
  n int not null default 0,
  total int not null default 0,
  hist int[] not null default '{0,0,0,0,0}',
  recommend int not null default 0,
  recommend_of int not null default 0,
  verified int not null default 0,
  with_media int not null default 0,
  own_n int not null default 0,
  own_total int not null default 0,
  unrated int not null default 0,
  questions int not null default 0,
  pending int not null default 0,
  last_id bigint not null default 0,
  changed_at timestamptz not null default now(),
  recounted_at timestamptz,
  primary key (site_id, channel_id)
) with (fillfactor = 70);
create index review_summary_recount on review_summary (changed_at)
  where recounted_at is null or recounted_at < changed_at;

create table review_criterion (
  site_id int not null,
  channel_id bigint not null,
  criterion text not null,
  n int not null default 0,
  total int not null default 0,
  primary key (site_id, channel_id, criterion)
) with (fillfactor = 70);

-- Whether it helped. counted: false of somebody whose doings nobody else sees.
create table review_vote (
  site_id int not null,
  channel_id bigint not null,
  visitor_id bigint not null,
  review_id bigint not null,
  value smallint not null,
  counted boolean not null default true,
  primary key (site_id, channel_id, visitor_id, review_id)
);
create index review_vote_review on review_vote (site_id, review_id);

create table review_flag (
  site_id int not null,
  review_id bigint not null,
  visitor_id bigint not null,
  reason text not null default '',
  counted boolean not null default true,
  created_at timestamptz not null default now(),
  primary key (site_id, review_id, visitor_id)
);
create index review_flag_visitor on review_flag (site_id, visitor_id);

-- Why it was not shown at once: a row for each reason. The first has what the spam filter said.
create table review_mark (
  site_id int not null,
  review_id bigint not null,
  mark text not null,
  score real,
  words text[] not null default '{}',
  primary key (site_id, review_id, mark)
);
create index review_mark_mark on review_mark (site_id, mark, review_id desc);

-- A change by its author that waits for a moderator: the members that will be, as JSON.
create table review_revision (
  site_id int not null,
  review_id bigint not null,
  data text not null,
  created_at timestamptz not null default now(),
  primary key (site_id, review_id)
);

-- Everything that was done to it, by whom and why; before and after are JSON.
create table review_change (
  site_id int not null,
  id bigint generated always as identity,
  review_id bigint not null,
  who text not null,
  deed text not null,
  why text not null default '',
  before text not null default '',
  after text not null default '',
  created_at timestamptz not null default now(),
  primary key (site_id, review_id, id)
);

-- The owner's answer.
create table review_reply (
  site_id int not null,
  review_id bigint not null,
  src text not null,
  html text not null,
  name text not null,
  who text not null,
  created_at timestamptz not null default now(),
  edited_at timestamptz,
  primary key (site_id, review_id)
);

do $$
declare
  t text;
begin
  foreach t in array array['review', 'review_summary', 'review_criterion', 'review_vote', 'review_flag', 'review_mark',
                           'review_revision', 'review_change', 'review_reply'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy own_site on %I to cackled_app
      using (site_id = (select app_site())) with check (site_id = (select app_site()))', t);
    execute format('create policy all_sites on %I to cackled_system using (true) with check (true)', t);
    execute format('grant select, insert, update, delete on %I to cackled_app, cackled_system', t);
  end loop;
end
$$;
