-- A channel belongs to one product. What was there before there were others is of comments.
-- cackled: compat 1

alter table channel add column product text not null default 'comments';
