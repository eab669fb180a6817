-- Counts of conversations from before. What is written meanwhile is counted by the trigger of 0050.
-- cackled: compat 1
-- cackled: batches

grant select, insert, update on catalog.backfill to cackled_system;

-- The owner sees no rows of forced row-level security.
set local role cackled_system; with chunk as materialized (
  select site_id, id, product, n_visible, n_root, n_pending, last_comment_id from channel
  where (site_id, id) > (split_part(coalesce(:cursor, '0/-1'), '/', 1)::int,
                         split_part(coalesce(:cursor, '0/-1'), '/', 2)::bigint)
  order by site_id, id limit 1000
), made as (
  insert into comment_channel (site_id, channel_id, n_visible, n_root, n_pending, last_comment_id)
  select site_id, id, n_visible, n_root, n_pending, last_comment_id from chunk where product = 'comments'
  on conflict do nothing
)
select (select concat(site_id, '/', id) from chunk order by site_id desc, id desc limit 1), (select count(*) from chunk);
