-- Nodes that announce themselves (see docs/operations.md, "Nodes that find each other").
-- cackled: compat 1

create table catalog.node (
  name text primary key check (length(name) between 1 and 200),
  deployment text not null,
  facts jsonb not null,
  seen_at timestamptz not null default now()
);

-- A sign of life alone wakes nobody.
create trigger came after insert or delete on catalog.node
  for each row execute function catalog.changed();
create trigger changed after update on catalog.node
  for each row when (old.facts is distinct from new.facts or old.deployment <> new.deployment)
  execute function catalog.changed();

grant select, insert, update, delete on catalog.node to cackled_system;
