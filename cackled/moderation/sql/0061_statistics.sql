-- Counts for statistics: kept as things happen, so that nobody has to count.
-- cackled: compat 1

-- Items by the day that they were written on (UTC) and the state that they are in now.
create table state_day (
  site_id int not null,
  day date not null,
  kind text not null,
  pending int not null default 0,
  approved int not null default 0,
  spam int not null default 0,
  rejected int not null default 0,
  deleted int not null default 0,
  primary key (site_id, day, kind)
) with (fillfactor = 50);

-- Decisions by day and who made them. waited: those on what had waited, with their seconds together, and how many of
-- them took up to 1 minute, 10 minutes, 1 hour, 6 hours, a day, and longer.
create table moderator_day (
  site_id int not null,
  day date not null,
  who text not null,
  deed text not null,
  name text not null default '',
  decisions int not null default 0,
  waited int not null default 0,
  waited_seconds float8 not null default 0,
  slots int[] not null default '{0,0,0,0,0,0}',
  primary key (site_id, day, who, deed)
) with (fillfactor = 50);

-- Items written in a channel, by day.
create table page_day (
  site_id int not null,
  day date not null,
  channel_id bigint not null,
  written int not null default 0,
  primary key (site_id, day, channel_id)
) with (fillfactor = 70);

do $$
declare
  t text;
begin
  foreach t in array array['state_day', 'moderator_day', 'page_day'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy own_site on %I to cackled_app
      using (site_id = (select app_site())) with check (site_id = (select app_site()))', t);
    execute format('create policy all_sites on %I to cackled_system using (true) with check (true)', t);
    execute format('grant select, insert, update, delete on %I to cackled_app, cackled_system', t);
  end loop;
end
$$;
