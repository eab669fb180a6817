-- Pictures that comments show: JSON as it is given out, '' where there are none. Where a text waits or is kept, its
-- pictures do with it; null: those of the comment.
-- cackled: compat 1

alter table comment add column media text not null default '';
alter table comment_revision add column media text;
alter table comment_kept add column media text not null default '';
alter table removed_comment add column media text not null default '';
