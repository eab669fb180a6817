-- Noting contents that are gone, for the disks of all nodes.
-- cackled: revision 1

create or replace function note_removed_media() returns trigger language plpgsql as $$
begin
  if not exists (select from media m where m.site_id = old.site_id and m.hash = old.hash) then
    insert into media_removed (site_id, hash) values (old.site_id, old.hash)
    on conflict (site_id, hash) do update set removed_at = now();
  end if;
  return null;
end
$$;

create or replace trigger removed_from_disks after delete on media
for each row execute function note_removed_media();
-- Once more when the origin has none: a node may just have been fetching them.
create or replace trigger removed_from_origin after delete on media_gone
for each row when (old.removing) execute function note_removed_media();
