-- Deleting all that a site has in this database.
-- cackled: revision 2

-- Delete at most p_most rows of a site, whatever tables there are; gives how many. To be repeated until none are left.
-- Who asked to be forgotten stays noted: it is a number, and a restored backup has to know. A table whose rows stand for
-- something outside of the database has a function of its own, delete_site_TABLE(site, most).
create or replace function delete_site_rows(p_site int, p_most int) returns bigint language plpgsql as $$
declare
  t name;
  n bigint;
begin
  for t in select c.relname from pg_class c
      join pg_attribute a on a.attrelid = c.oid and a.attname = 'site_id' and not a.attisdropped
      where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
        and c.relname <> 'erasure'
      order by 1 loop
    if to_regprocedure(format('%I(int, int)', 'delete_site_' || t)) is not null then
      execute format('select %I($1, $2)', 'delete_site_' || t) into n using p_site, p_most;
      if n > 0 then
        return n;
      end if;
      continue;
    end if;
    execute format(
      'with batch as materialized (select tableoid as t, ctid as c from %1$I where site_id = $1 limit $2)
       delete from %1$I d using batch where d.tableoid = batch.t and d.ctid = batch.c and d.site_id = $1', t)
    using p_site, p_most;
    get diagnostics n = row_count;
    if n > 0 then
      return n;
    end if;
  end loop;
  return 0;
end
$$;
