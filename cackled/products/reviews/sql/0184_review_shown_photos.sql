-- The order "with photos" goes by photos that are shown: the expression is that of `review_page`.
-- cackled: compat 1
-- cackled: no-transaction

create index concurrently if not exists review_shown_media on review
  (site_id, channel_id, kind, ((media @? '$[*].url ? (@ != "")')::int::float8) desc, id desc) where status = 1;

drop index concurrently if exists review_media;
