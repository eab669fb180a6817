-- Orders of a page by stars and by photos come from an index, however many reviews there are: the expressions are those of
-- `review_page`.
-- cackled: compat 1

create index review_high on review (site_id, channel_id, kind, (coalesce(star, 0)::float8) desc, id desc)
  where status = 1;
create index review_low on review (site_id, channel_id, kind, (-coalesce(star, 6)::float8) desc, id desc)
  where status = 1;
create index review_media on review (site_id, channel_id, kind, ((media <> '[]')::int::float8) desc, id desc)
  where status = 1;
