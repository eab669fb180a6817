-- Followers are told of new comments: gathered from the event log, off the path of every write.
-- cackled: revision 3

-- The row of a follower, made where there is none. p_channel: a random number.
create or replace function follower_of(p_site int, p_visitor bigint, p_channel bigint, p_language text) returns follower
language plpgsql as $$
declare
  f follower;
begin
  insert into follower (site_id, visitor_id, channel_id, language) values (p_site, p_visitor, p_channel, p_language)
  on conflict do nothing;
  select * into f from follower x where x.site_id = p_site and x.visitor_id = p_visitor;
  insert into channel (site_id, id, product, key)
  values (p_site, f.channel_id, 'reader', 'reader:' || f.channel_id) on conflict do nothing;
  return f;
end
$$;

-- When a letter goes out that is due now: soon, an hour later, or in the morning; never in quiet hours.
create or replace function next_letter(f follower) returns timestamptz language plpgsql stable as $$
declare
  at timestamp := now() at time zone f.zone;
  h int;
begin
  if f.digest = 'daily' then
    at := date_trunc('day', at) + interval '8 hours' + case when extract(hour from at) >= 8 then interval '1 day' else '0' end;
  elsif f.digest = 'hourly' then
    at := at + interval '1 hour';
  else
    at := at + interval '1 minute';
  end if;
  h := extract(hour from at);
  if f.quiet_from <> f.quiet_to and
      (case when f.quiet_from < f.quiet_to then h >= f.quiet_from and h < f.quiet_to
       else h >= f.quiet_from or h < f.quiet_to end) then
    at := date_trunc('day', at) + make_interval(hours => f.quiet_to)
      + case when h >= f.quiet_to then interval '1 day' else '0' end;
  end if;
  return at at time zone f.zone;
end
$$;

-- How many notices a follower has not read, up to 100.
create or replace function unread_notices(f follower) returns int language sql stable as $$
  select count(*)::int from (
    select from notice n where n.site_id = f.site_id and n.visitor_id = f.visitor_id and n.id > f.seen limit 100
  ) x
$$;

-- Look through at most p_most events (and the rest of the last transaction) for new comments, and note who is to be told.
-- Gives how many events there were and how many notices were made; nothing while another process does it. A comment that
-- was approved later comes then. Of the sites p_previews the links of what is new are looked at as well.
create or replace function gather_notices(p_most int, p_previews int[]) returns table (seen int, told int) language plpgsql as $$
declare
  since xid8;
  upto xid8;
  horizon xid8 := pg_snapshot_xmin(pg_current_snapshot());
  f follower;
begin
  select c.xid into since from notice_cursor c for update skip locked;
  if not found then
    return;
  end if;
  select x.xid into upto from (
    select e.xid from event e where e.xid > since and e.xid < horizon order by e.xid limit p_most
  ) x order by x.xid desc limit 1;
  if upto is null then
    return;
  end if;
  update notice_cursor set xid = upto;
  select count(*) into seen from event e where e.xid > since and e.xid <= upto;
  perform queue_links(since, upto, p_previews);
  told := 0;
  for f in
    with news as materialized (
      select c.site_id, c.id, c.parent_id, c.channel_id, c.visitor_id as author
      from event e join comment c on c.site_id = e.site_id
        and c.id = substring(e.data from '^{"comment":{"id":"([0-9]+)"')::bigint
      where e.xid > since and e.xid <= upto and e.type = 'comment.created'
        and c.status = 1 and c.shown and not c.shadow and c.created_at > now() - interval '30 days'
    ), found as (
      select n.site_id, p.visitor_id as reader, n.id, n.channel_id, n.author, 1 as reason
      from news n join comment p on p.site_id = n.site_id and p.id = n.parent_id and p.status = 1
        join follower x on x.site_id = n.site_id and x.visitor_id = p.visitor_id and x.replies
      union all
      select n.site_id, m.visitor_id, n.id, n.channel_id, n.author, 4
      from news n join comment_mention m on m.site_id = n.site_id and m.comment_id = n.id
        join follower x on x.site_id = n.site_id and x.visitor_id = m.visitor_id and x.replies
      union all
      select n.site_id, w.visitor_id, n.id, n.channel_id, n.author, 2
      from news n join follow w on w.site_id = n.site_id and w.kind = 1 and w.target = n.channel_id
      union all
      select n.site_id, w.visitor_id, n.id, n.channel_id, n.author, 3
      from news n join follow w on w.site_id = n.site_id and w.kind = 2 and w.target = n.author
    ), made as (
      insert into notice (site_id, visitor_id, comment_id, channel_id, author_id, reason)
      select distinct on (x.site_id, x.reader, x.id) x.site_id, x.reader, x.id, x.channel_id, x.author, x.reason
      from found x where x.reader <> x.author and not exists (
        select from block b where b.site_id = x.site_id and b.visitor_id = x.reader and b.author_id = x.author
      )
      order by x.site_id, x.reader, x.id, array_position('{1,4,2,3}'::int[], x.reason)
      on conflict do nothing returning site_id, visitor_id
    )
    select y.* from follower y join (select distinct m.site_id, m.visitor_id from made m) z
      on y.site_id = z.site_id and y.visitor_id = z.visitor_id
    order by y.site_id, y.visitor_id
  loop
    told := told + 1;
    perform note_told(f);
  end loop;
  return next;
end
$$;

create or replace function gather_notices(p_most int) returns table (seen int, told int) language sql as $$
  select * from gather_notices(p_most, '{}')
$$;

-- A follower has something new: their pages hear of it, and a letter and a push are put on their way.
create or replace function note_told(f follower) returns void language plpgsql as $$
begin
  perform announce(f.site_id, f.channel_id, x.seq, 'notice.created', concat('{"unread":', unread_notices(f), '}'), false)
  from (select advance_seq(f.site_id, f.channel_id) as seq) x where x.seq is not null;
  if f.digest <> 'off' and f.email_state = 'confirmed'
      and (f.mail_due is null or f.mail_due < now() - interval '2 days') then
    update follower x set mail_due = next_letter(f) where x.site_id = f.site_id and x.visitor_id = f.visitor_id
    returning x.mail_due into f.mail_due;
    insert into outbox (site_id, kind, body, next_at)
    values (f.site_id, 'notice-mail', concat('{"visitor":"', f.visitor_id, '"}'), f.mail_due);
  end if;
  -- What was given up holds nobody up for good.
  if (f.push_due is null or f.push_due < now() - interval '1 hour') and exists (
    select from push_browser p where p.site_id = f.site_id and p.visitor_id = f.visitor_id
  ) then
    update follower x set push_due = now() where x.site_id = f.site_id and x.visitor_id = f.visitor_id;
    insert into outbox (site_id, kind, body, next_at)
    values (f.site_id, 'notice-push', concat('{"visitor":"', f.visitor_id, '"}'), now() + interval '3 seconds');
  end if;
end
$$;

-- Whether a letter to a follower may go out now: false where there were p_most in this hour; then it is put off.
create or replace function take_letter(p_site int, p_visitor bigint, p_most int) returns boolean language plpgsql as $$
declare
  f follower;
begin
  select * into f from follower x where x.site_id = p_site and x.visitor_id = p_visitor for no key update;
  if not found then
    return true;
  end if;
  if f.hour < now() - interval '1 hour' then
    update follower x set hour = now(), mails = 1 where x.site_id = p_site and x.visitor_id = p_visitor;
    return true;
  elsif f.mails < p_most then
    update follower x set mails = x.mails + 1 where x.site_id = p_site and x.visitor_id = p_visitor;
    return true;
  end if;
  insert into outbox (site_id, kind, body, next_at)
  values (p_site, 'notice-mail', concat('{"visitor":"', p_visitor, '"}'), f.hour + interval '61 minutes');
  return false;
end
$$;

-- What a follower has not been written of is done: up to the notice p_last. What came meanwhile is put on its way.
create or replace function letter_done(p_site int, p_visitor bigint, p_last bigint) returns void language plpgsql as $$
declare
  f follower;
begin
  update notice x set mailed = true
  where x.site_id = p_site and x.visitor_id = p_visitor and x.id <= p_last and not x.mailed;
  update follower x set mail_due = null where x.site_id = p_site and x.visitor_id = p_visitor returning * into f;
  if f.digest <> 'off' and f.email_state = 'confirmed' and exists (
    select from notice n where n.site_id = p_site and n.visitor_id = p_visitor and n.id > p_last and not n.mailed
  ) then
    update follower x set mail_due = next_letter(f) where x.site_id = p_site and x.visitor_id = p_visitor
    returning x.mail_due into f.mail_due;
    insert into outbox (site_id, kind, body, next_at)
    values (p_site, 'notice-mail', concat('{"visitor":"', p_visitor, '"}'), f.mail_due);
  end if;
end
$$;

-- Stop mail to an address for good; p_reason: bounced or complained. Gives how many followers had it.
create or replace function stop_mail(p_site int, p_visitor bigint, p_hash bytea, p_reason text) returns int
language plpgsql as $$
declare
  n int;
begin
  insert into mail_stop (site_id, hash, reason) values (p_site, p_hash, p_reason) on conflict do nothing;
  update follower x set email_state = p_reason, mail_due = null
  where x.site_id = p_site and x.email <> '' and sha256(convert_to(lower(x.email), 'UTF8')) = p_hash
    and x.visitor_id = p_visitor;
  get diagnostics n = row_count;
  return n;
end
$$;

-- Everything that is kept of a follower goes, and what others were told of them.
create or replace function erase_follower(p_site int, p_visitor bigint) returns void language plpgsql as $$
begin
  perform erase_alone(p_site);
  delete from channel x using follower f
  where f.site_id = p_site and f.visitor_id = p_visitor and x.site_id = p_site and x.id = f.channel_id
    and x.product = 'reader';
  delete from follower x where x.site_id = p_site and x.visitor_id = p_visitor;
  delete from follow x where x.site_id = p_site and (x.visitor_id = p_visitor or x.kind = 2 and x.target = p_visitor);
  delete from notice x where x.site_id = p_site and p_visitor in (x.visitor_id, x.author_id);
  delete from push_browser x where x.site_id = p_site and x.visitor_id = p_visitor;
  delete from outbox x where x.site_id = p_site and x.kind in ('notice-mail', 'notice-push', 'notice-confirm')
    and x.body like concat('{"visitor":"', p_visitor, '"%');
end
$$;

-- The same as a step of forgetting a visitor: it leads nowhere, and there is never more.
create or replace function erase_followed(p_site int, p_visitor bigint, p_most int)
returns table (channel bigint, seq bigint) language plpgsql as $$
begin
  perform erase_follower(p_site, p_visitor);
end
$$;

-- What the guest p_from follows is the person's p_visitor from here on; the person's own settings hold where there are some.
create or replace function carry_follows(p_site int, p_visitor bigint, p_from bigint) returns void language plpgsql as $$
begin
  update follow x set target = p_visitor where x.site_id = p_site and x.kind = 2 and x.target = p_from and not exists (
    select from follow y where y.site_id = p_site and y.visitor_id = x.visitor_id and y.kind = 2 and y.target = p_visitor);
  update notice x set author_id = p_visitor where x.site_id = p_site and x.author_id = p_from;
  if not exists (select from follower x where x.site_id = p_site and x.visitor_id = p_from) then
    return;
  end if;
  insert into follow (site_id, visitor_id, kind, target)
  select p_site, p_visitor, x.kind, x.target from follow x
  where x.site_id = p_site and x.visitor_id = p_from and not (x.kind = 2 and x.target = p_visitor)
  on conflict do nothing;
  insert into notice (site_id, visitor_id, comment_id, channel_id, author_id, reason, created_at, mailed, pushed)
  select p_site, p_visitor, x.comment_id, x.channel_id, x.author_id, x.reason, x.created_at, true, true from notice x
  where x.site_id = p_site and x.visitor_id = p_from and x.author_id <> p_visitor order by x.id on conflict do nothing;
  insert into push_browser (site_id, visitor_id, hash, endpoint, p256dh, auth)
  select p_site, p_visitor, x.hash, x.endpoint, x.p256dh, x.auth from push_browser x
  where x.site_id = p_site and x.visitor_id = p_from on conflict do nothing;
  if exists (select from follower x where x.site_id = p_site and x.visitor_id = p_visitor) then
    perform erase_follower(p_site, p_from);
  else
    update follower x set visitor_id = p_visitor, mail_due = null, push_due = null
    where x.site_id = p_site and x.visitor_id = p_from;
    delete from follow x where x.site_id = p_site and x.visitor_id = p_from;
    delete from notice x where x.site_id = p_site and x.visitor_id = p_from;
    delete from push_browser x where x.site_id = p_site and x.visitor_id = p_from;
  end if;
end
$$;
