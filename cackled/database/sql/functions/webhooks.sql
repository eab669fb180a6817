-- What the endpoints of a site are told, and what became of it.
-- cackled: revision 3

-- Queue events of one type, numbered from p_seq on, for the endpoints that want them. Called with the channel's row
-- locked: the events of a channel are queued in their order. What is for one person's pages alone (`notice.`, see
-- cackled.events.PERSONAL) is told to nobody else: the number of such a channel is a secret of theirs.
create or replace function queue_webhooks(p_site int, p_channel bigint, p_seq bigint, p_type text, p_data text[])
returns void language plpgsql as $$
declare
  -- Of private conversations only who names their events is told.
  open boolean := p_type !~ '^(message|chat|desk)\.';
begin
  if not starts_with(p_type, 'notice.')
      and exists (select from webhook_endpoint w where w.site_id = p_site and w.enabled and w.halted = ''
             and ((open and w.types = '{}') or p_type = any(w.types))) then
    with told as (
      insert into webhook_event (site_id, channel_id, seq, type, data)
      select p_site, p_channel, p_seq - 1 + x.n, p_type, x.data from unnest(p_data) with ordinality x (data, n)
      order by x.n
      returning id
    )
    insert into webhook_delivery (site_id, endpoint_id, event_id)
    select p_site, w.id, t.id from told t, webhook_endpoint w
    where w.site_id = p_site and w.enabled and w.halted = ''
      and ((open and w.types = '{}') or p_type = any(w.types));
  end if;
end
$$;

-- Note a try. p_outcome: done; retry: the endpoint rests for p_wait seconds, and what is too old is given up; refused:
-- this event is given up and the next one comes; gone: nothing is sent there any more. The claim is prolonged.
create or replace function note_webhook_try(
  p_site int, p_endpoint bigint, p_event bigint, p_outcome text, p_status int, p_millis int, p_error text,
  p_wait double precision, p_claim double precision
) returns void language plpgsql as $$
begin
  insert into webhook_try (site_id, endpoint_id, event_id, status, millis, error)
  values (p_site, p_endpoint, p_event, p_status, p_millis, p_error);
  update webhook_delivery d set tries = d.tries + 1, status = p_status, error = nullif(p_error, ''), tried_at = now(),
    state = case when p_outcome = 'done' then 1 when p_outcome in ('refused', 'gone') or d.until < now() then 2 else 0 end
  where d.site_id = p_site and d.endpoint_id = p_endpoint and d.event_id = p_event;
  if p_outcome = 'retry' then
    update webhook_delivery d set state = 2, error = p_error
    where d.site_id = p_site and d.endpoint_id = p_endpoint and d.state = 0 and d.until < now();
  elsif p_outcome = 'gone' then
    update webhook_delivery d set state = 2, error = p_error
    where d.site_id = p_site and d.endpoint_id = p_endpoint and d.state = 0;
  end if;
  update webhook_endpoint w set
    failures = case when p_outcome in ('done', 'refused') then 0 else w.failures + 1 end,
    failing_since = case when p_outcome in ('done', 'refused') then null else coalesce(w.failing_since, now()) end,
    next_at = now() + make_interval(secs => p_wait),
    halted = case when p_outcome = 'gone' then p_error else w.halted end,
    claimed_until = case when p_outcome in ('done', 'refused') then now() + make_interval(secs => p_claim) end
  where w.site_id = p_site and w.id = p_endpoint;
end
$$;

-- What was given up, or sent, is sent again: one event, or (p_event null) all that was given up.
create or replace function replay_webhooks(p_site int, p_endpoint bigint, p_event bigint) returns bigint
language plpgsql as $$
declare
  n bigint;
begin
  update webhook_delivery d set state = 0, tries = 0, error = null, status = null, until = now() + interval '3 days'
  where d.site_id = p_site and d.endpoint_id = p_endpoint
    and case when p_event is null then d.state = 2 else d.event_id = p_event and d.state <> 0 end;
  get diagnostics n = row_count;
  if n > 0 then
    update webhook_endpoint w set next_at = now() where w.site_id = p_site and w.id = p_endpoint;
  end if;
  return n;
end
$$;

-- Delete at most p_most of what nobody asks for any more; gives how many: tries of a month ago and all but the last
-- thousand of an endpoint, events of a month ago, and what belonged to endpoints that are no more.
create or replace function expire_webhooks(p_most int) returns bigint language plpgsql as $$
declare
  n bigint;
  total bigint := 0;
begin
  delete from webhook_try where ctid = any(array(
    select ctid from webhook_try where at < now() - interval '30 days' limit p_most));
  get diagnostics n = row_count;
  total := total + n;
  delete from webhook_try t using (
    select w.site_id, w.id, (
      select x.id from webhook_try x where x.site_id = w.site_id and x.endpoint_id = w.id
      order by x.id desc offset 1000 limit 1) as last
    from webhook_endpoint w) old
  where t.ctid = any(array(
    select y.ctid from webhook_try y where y.site_id = old.site_id and y.endpoint_id = old.id and y.id <= old.last
    limit p_most - total));
  get diagnostics n = row_count;
  total := total + n;
  delete from webhook_delivery where ctid = any(array(
    select d.ctid from webhook_event e join webhook_delivery d on d.site_id = e.site_id and d.event_id = e.id
    where e.created_at < now() - interval '30 days' limit greatest(p_most - total, 0)));
  get diagnostics n = row_count;
  total := total + n;
  delete from webhook_event where ctid = any(array(
    select e.ctid from webhook_event e where e.created_at < now() - interval '30 days'
      and not exists (select from webhook_delivery d where d.site_id = e.site_id and d.event_id = e.id)
    limit greatest(p_most - total, 0)));
  get diagnostics n = row_count;
  return least(total + n, p_most);
end
$$;
