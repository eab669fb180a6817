-- What became of invitations: how often each was shown and opened, by day; which of them a conversation came from.
-- cackled: compat 1

-- rule: the invitation's id in the site's setup. variant: which of its texts, a or b.
create table chat_invitation (
  site_id int not null,
  day date not null,
  rule text not null,
  variant text not null,
  shown int not null default 0,
  opened int not null default 0,
  primary key (site_id, day, rule, variant)
);
alter table chat add column invitation text not null default '';
alter table chat add column variant text not null default '';
create index chat_invited on chat (site_id, created_at) where invitation <> '';

alter table chat_invitation enable row level security;
alter table chat_invitation force row level security;
create policy own_site on chat_invitation to cackled_app
  using (site_id = (select app_site())) with check (site_id = (select app_site()));
create policy all_sites on chat_invitation to cackled_system using (true) with check (true);
grant select, insert, update, delete on chat_invitation to cackled_app, cackled_system;
