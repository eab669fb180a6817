-- What a moderator removed together, and what it takes to undo that within a week.
-- cackled: compat 1

create table removal (
  site_id int not null,
  id bigint generated always as identity,
  who text not null default '',
  criterion text not null,
  created_at timestamptz not null default now(),
  undone_at timestamptz,
  primary key (site_id, id)
);
create index removal_age on removal (created_at);

-- The text of a comment that was removed: it is gone from the comment itself.
create table removed_comment (
  site_id int not null,
  removal_id bigint not null,
  comment_id bigint not null,
  src text not null,
  html text not null,
  primary key (site_id, removal_id, comment_id),
  foreign key (site_id, removal_id) references removal on delete cascade
);
create index removed_comment_id on removed_comment (site_id, comment_id);

do $$
declare
  t text;
begin
  foreach t in array array['removal', 'removed_comment'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy own_site on %I to cackled_app
      using (site_id = (select app_site())) with check (site_id = (select app_site()))', t);
    execute format('create policy all_sites on %I to cackled_system using (true) with check (true)', t);
    execute format('grant select, insert, update, delete on %I to cackled_app, cackled_system', t);
  end loop;
end
$$;
