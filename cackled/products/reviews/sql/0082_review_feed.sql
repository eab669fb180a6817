-- The key in the address of a site's private feed of reviews; '' until it is first asked for.
-- cackled: compat 1

alter table review_secret add column feed text not null default '';
