-- What is counted of a page as `count_reviews` counts it from now on: with photos are those that show one, and what search
-- engines are told of is without what the site's own staff wrote.
-- cackled: compat 1

set role cackled_system;
update review_summary s set with_media = x.shown, own_n = s.own_n - x.n, own_total = s.own_total - x.total
from (
  select r.site_id, r.channel_id, count(*) filter (where r.media @? '$[*].url ? (@ != "")') as shown,
    count(r.star) filter (where r.staff and r.source = '') as n,
    coalesce(sum(r.star) filter (where r.staff and r.source = ''), 0) as total
  from review r where r.status = 1 and r.kind = 0 and (r.staff or r.media <> '[]') group by 1, 2
) x
where s.site_id = x.site_id and s.channel_id = x.channel_id and (s.with_media <> x.shown or x.n > 0);
reset role;
