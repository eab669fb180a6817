-- Comments are ranked by Wilson's lower bound and by their age: what is there already.
-- cackled: compat 1
-- cackled: batches

create or replace function comment_rank(p_up int, p_down int, p_created timestamptz) returns real
language sql immutable parallel safe as $$
  select ((p + 0.5 / n - sqrt(p * (1 - p) / n + 0.25 / (n * n))) / (1 + 1 / n)
          + 0.01 * (extract(epoch from p_created) - 1767225600) / 86400)::real
  from (select (p_up + 1)::float8 / (p_up + p_down + 2) as p, (p_up + p_down + 2)::float8 as n) x
$$;
grant execute on function comment_rank(int, int, timestamptz) to cackled_app, cackled_system;

-- The owner sees no rows of forced row-level security.
set local role cackled_system; with chunk as materialized (
  select id, site_id from comment
  where (id, site_id) > (split_part(coalesce(:cursor, '-1/0'), '/', 1)::bigint,
                         split_part(coalesce(:cursor, '-1/0'), '/', 2)::int)
  order by id, site_id limit 1000
), made as (
  update comment c set rank = comment_rank(c.up, c.down, c.created_at) from chunk
  where c.id = chunk.id and c.site_id = chunk.site_id
)
select (select concat(id, '/', site_id) from chunk order by id desc, site_id desc limit 1),
       (select count(*) from chunk);
