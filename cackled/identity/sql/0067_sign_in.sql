-- How visitors of a site sign in: what may be used once, what was refused, and with whom.
-- cackled: compat 1

-- What may be used once, by the hash of what its bearer has: states and codes of signing in, numbers of statements.
create table one_time (
  site_id int not null,
  kind text not null,
  hash bytea not null,
  data text not null default '',
  expires_at timestamptz not null,
  primary key (site_id, kind, hash)
);
create index one_time_age on one_time (expires_at);

-- Statements of a site's server that did not hold: one row for each form and reason, so that they stay few.
create table sso_refusal (
  site_id int not null,
  form text not null,
  reason text not null,
  detail text not null,
  count int not null default 1,
  first_at timestamptz not null default now(),
  last_at timestamptz not null default now(),
  primary key (site_id, form, reason)
);

-- With whom visitors of a site may sign in. secret: encrypted, see `cackled.identity.secrets`.
create table sign_in_provider (
  site_id int not null,
  name text not null,
  kind text not null,
  label text not null default '',
  issuer text not null default '',
  client_id text not null default '',
  secret bytea not null default '',
  enabled boolean not null default true,
  position int not null default 0,
  primary key (site_id, name)
);

do $$
declare
  t text;
begin
  foreach t in array array['one_time', 'sso_refusal', 'sign_in_provider'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy own_site on %I to cackled_app
      using (site_id = (select app_site())) with check (site_id = (select app_site()))', t);
    execute format('create policy all_sites on %I to cackled_system using (true) with check (true)', t);
    execute format('grant select, insert, update, delete on %I to cackled_app, cackled_system', t);
  end loop;
end
$$;
