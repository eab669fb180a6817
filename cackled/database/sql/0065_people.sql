-- People: visitors who signed in, and the identities they do it with.
-- cackled: compat 1

-- A visitor that a site's server or another party knows. skeleton: what the name looks like (`cackled.domain.names`).
-- stated_at: when the newest statement about them was made; older ones change nothing. signed_out_at: sessions begun
-- before it are not made anew. private: nobody is shown what they wrote. gravatar: their picture may be asked for by mail.
create table person (
  site_id int not null,
  visitor_id bigint not null,
  name text not null,
  skeleton text not null,
  email text not null default '',
  email_verified boolean not null default false,
  avatar text not null default '',
  url text not null default '',
  groups text[] not null default '{}',
  badges text[] not null default '{}',
  staff text not null default '',
  level smallint not null default 1,
  private boolean not null default false,
  gravatar boolean not null default false,
  stated_at timestamptz not null default '-infinity',
  signed_out_at timestamptz not null default '-infinity',
  created_at timestamptz not null default now(),
  seen_at timestamptz not null default now(),
  primary key (site_id, visitor_id)
);
create index person_skeleton on person (site_id, skeleton);
create index person_email on person (site_id, lower(email)) where email_verified;

create table person_identity (
  site_id int not null,
  provider text not null,
  subject text not null,
  visitor_id bigint not null,
  created_at timestamptz not null default now(),
  seen_at timestamptz not null default now(),
  primary key (site_id, provider, subject)
);
create index person_identity_visitor on person_identity (site_id, visitor_id);

do $$
declare
  t text;
begin
  foreach t in array array['person', 'person_identity'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy own_site on %I to cackled_app
      using (site_id = (select app_site())) with check (site_id = (select app_site()))', t);
    execute format('create policy all_sites on %I to cackled_system using (true) with check (true)', t);
    execute format('grant select, insert, update, delete on %I to cackled_app, cackled_system', t);
  end loop;
end
$$;
