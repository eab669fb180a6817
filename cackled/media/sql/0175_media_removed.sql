-- Contents that no picture has any more: each node removes them from its disk, a node that was away when it comes back.
-- cackled: compat 1

create table media_removed (
  site_id int not null,
  hash bytea not null,
  removed_at timestamptz not null default now(),
  primary key (site_id, hash)
);
create index media_removed_at on media_removed (removed_at);

do $$
begin
  alter table media_removed enable row level security;
  alter table media_removed force row level security;
  create policy own_site on media_removed to cackled_app
    using (site_id = (select app_site())) with check (site_id = (select app_site()));
  create policy all_sites on media_removed to cackled_system using (true) with check (true);
  grant select, insert, update, delete on media_removed to cackled_app, cackled_system;
end
$$;
