-- Accounts elsewhere that visitors share what they write with, and what was shared.
-- cackled: compat 1

-- An account of a visitor at a network; one of each. server: the instance, where there are several. sealed: the tokens,
-- encrypted (`cackled.identity.sealing`). refreshing: until when somebody is getting new tokens. lost: the network takes
-- them no more.
create table share_account (
  site_id int not null,
  visitor_id bigint not null,
  network text not null,
  server text not null,
  name text not null default '',
  sealed bytea not null,
  version int not null default 0,
  refreshing timestamptz,
  lost boolean not null default false,
  created_at timestamptz not null default now(),
  primary key (site_id, visitor_id, network)
);

-- Something that a visitor shares. item: kind and number, as "comment:7". state: held (until others see it), waiting,
-- sent, failed. url: where it is there.
create table share (
  site_id int not null,
  item text not null,
  network text not null,
  visitor_id bigint not null,
  state text not null,
  reason text not null default '',
  url text not null default '',
  tries int not null default 0,
  created_at timestamptz not null default now(),
  done_at timestamptz,
  primary key (site_id, item, network)
);
create index share_visitor on share (site_id, visitor_id, created_at desc);
create index share_age on share (created_at);

do $$
declare
  t text;
begin
  foreach t in array array['share_account', 'share'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy own_site on %I to cackled_app
      using (site_id = (select app_site())) with check (site_id = (select app_site()))', t);
    execute format('create policy all_sites on %I to cackled_system using (true) with check (true)', t);
    execute format('grant select, insert, update, delete on %I to cackled_app, cackled_system', t);
  end loop;
end
$$;
