-- These files are of the comments now. A release that still has them here must not put its older texts over the newer
-- ones, also on a database that it never ran on.
-- cackled: compat 1

create table if not exists catalog.function_file (
  name text primary key,
  revision int not null,
  hash text not null,
  applied_at timestamptz not null default now()
);
insert into catalog.function_file (name, revision, hash)
select format('functions/%s.sql', x.name), 1000000, 'moved'
from unnest(array['channel_moves', 'comment_channels', 'comment_erasure', 'comment_flags', 'comment_reading',
                  'comment_votes', 'comment_writing', 'removals', 'superseded']) x (name)
on conflict (name) do update set revision = excluded.revision, hash = excluded.hash;
