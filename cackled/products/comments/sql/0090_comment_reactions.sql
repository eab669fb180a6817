-- Reactions: of each kind that the site has, one of a visitor to a comment.
-- cackled: compat 1

-- Led by the visitor within a channel, as votes are: a first render asks for one visitor's on one page. counted: as there.
create table comment_reaction (
  site_id int not null,
  channel_id bigint not null,
  visitor_id bigint not null,
  comment_id bigint not null,
  name text not null,
  counted boolean not null default true,
  created_at timestamptz not null default now(),
  primary key (site_id, channel_id, visitor_id, comment_id, name)
);
create index comment_reaction_visitor on comment_reaction (site_id, visitor_id);
alter table comment_reaction enable row level security;
alter table comment_reaction force row level security;
create policy own_site on comment_reaction to cackled_app
  using (site_id = (select app_site())) with check (site_id = (select app_site()));
create policy all_sites on comment_reaction to cackled_system using (true) with check (true);
grant select, insert, update, delete on comment_reaction to cackled_app, cackled_system;

-- How many of each, by name; null: none.
alter table comment add column reactions jsonb;
