-- Whether the buyer of an order got something for a review; an index for what moderators are written of.
-- cackled: compat 1

alter table review_order add column incentivized boolean not null default false;
create index outbox_review_notice on outbox (site_id)
  where kind = 'review-notice' and done_at is null and dead_at is null and tries = 0;
