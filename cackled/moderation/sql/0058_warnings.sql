-- Warnings that are not read yet: looked for before each comment is written.
-- cackled: compat 1

create index author_warning_unread on author_warning (site_id, visitor_id) where read_at is null;
