-- Options that visitors propose are items of the moderators' queue.
-- cackled: compat 1

-- item: its number in the queue; null: an option of the owner's own. status: 0 pending, 1 approved, 2 spam, 3 rejected,
-- 4 deleted (state says what it is for voters). seen: a moderator looked at it. version: raised by each decision.
-- marks: why it is not simply shown, as JSON.
alter table poll_option
  add column item bigint,
  add column status smallint not null default 1,
  add column seen boolean not null default true,
  add column version int not null default 1,
  add column marks text not null default '';
set role cackled_system;
update poll_option o set item = x.item, status = case o.state when 0 then 0 when 1 then 1 else 3 end, seen = o.state > 0
from (
  select y.site_id, y.poll_id, y.number,
    (((extract(epoch from y.created_at) * 1000000)::bigint - 1735689600000000) << 12)
      + row_number() over (partition by y.site_id, y.created_at order by y.poll_id, y.number) as item
  from poll_option y where y.proposer_id is not null or y.state <> 1
) x where o.site_id = x.site_id and o.poll_id = x.poll_id and o.number = x.number;
reset role;
create unique index poll_option_item on poll_option (site_id, item) where item is not null;
