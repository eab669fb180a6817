-- Who is mentioned by which comment: as its HTML says, kept by a trigger.
-- cackled: compat 1

create table comment_mention (
  site_id int not null,
  comment_id bigint not null,
  visitor_id bigint not null,
  primary key (site_id, comment_id, visitor_id)
);
create index comment_mention_visitor on comment_mention (site_id, visitor_id, comment_id);

alter table comment_mention enable row level security;
alter table comment_mention force row level security;
create policy own_site on comment_mention to cackled_app
  using (site_id = (select app_site())) with check (site_id = (select app_site()));
create policy all_sites on comment_mention to cackled_system using (true) with check (true);
grant select, insert, update, delete on comment_mention to cackled_app, cackled_system;
