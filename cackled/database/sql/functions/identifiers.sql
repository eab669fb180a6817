-- Which site a connection speaks for, and numbers of comments.
-- cackled: revision 1

create or replace function app_site() returns int language sql stable parallel safe as $$
  select nullif(current_setting('app.site', true), '')::int
$$;

create or replace function next_id(p_after bigint) returns bigint language sql volatile as $$
  select greatest(
    ((extract(epoch from clock_timestamp()) * 1000000)::bigint - 1735689600000000) << 12,
    (p_after | 4095) + 1
  ) + nextval('comment_id_low')
$$;
