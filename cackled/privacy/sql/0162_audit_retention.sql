-- How long the log of what staff did is kept, in months; 0: for ever.
-- cackled: compat 1

alter table privacy_rule add column audit_months int not null default 0;
