-- Reports of the pictures that people show of themselves, and what moderators decided on them.
-- cackled: compat 1

-- source: which picture (see picture_source): another one of the same person is another report. status: 0 waits, 1 kept,
-- above that removed, numbered as states of comments.
create table picture_report (
  site_id int not null,
  id bigint not null,
  visitor_id bigint not null,
  source text not null,
  status int not null default 0,
  seen boolean not null default false,
  version int not null default 1,
  n_flags int not null default 0,
  created_at timestamptz not null default now(),
  primary key (site_id, id)
);
create unique index picture_report_source on picture_report (site_id, visitor_id, md5(source));

-- Who reported it, each once.
create table picture_flag (
  site_id int not null,
  report_id bigint not null,
  visitor_id bigint not null,
  reason text not null default '',
  created_at timestamptz not null default now(),
  primary key (site_id, report_id, visitor_id)
);
create index picture_flag_visitor on picture_flag (site_id, visitor_id);

-- A picture elsewhere that was removed here: who signs somebody in tells of it again, and it is not shown.
alter table person add column barred_avatar text not null default '';

do $$
declare
  t text;
begin
  foreach t in array array['picture_report', 'picture_flag'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy own_site on %I to cackled_app
      using (site_id = (select app_site())) with check (site_id = (select app_site()))', t);
    execute format('create policy all_sites on %I to cackled_system using (true) with check (true)', t);
    execute format('grant select, insert, update, delete on %I to cackled_app, cackled_system', t);
  end loop;
end
$$;
