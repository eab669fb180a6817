-- The event log and the number of a channel that every visible change raises.
-- cackled: revision 4

-- What is told of an event, and what a site's webhook gets of it. What is too long for a notification is read from the
-- log by who listens.
create or replace function event_notification(p_site int, p_channel bigint, p_seq bigint, p_type text, p_data text)
returns text language sql stable as $$
  select concat('{"s":', p_site, ',"c":"', p_channel, '","q":', p_seq, ',"t":"', p_type, '","x":"', pg_current_xact_id(),
                case when octet_length(p_data) < 7600 then '","d":' || p_data else '"' end, '}')
$$;
create or replace function event_webhook(p_site int, p_channel bigint, p_seq bigint, p_type text, p_data text)
returns text language sql stable as $$
  select concat('{"type":"', p_type, '","position":"', p_site, '/', p_channel, '@', p_seq, '","data":', p_data, '}')
$$;

-- Write an event of a channel into the log, tell whoever listens, and queue it for the site's webhooks: that of its
-- settings (p_webhook), and its endpoints. In this function and the next alone, so that they get exactly what the log
-- holds.
create or replace function announce(
  p_site int, p_channel bigint, p_seq bigint, p_type text, p_data text, p_webhook boolean
) returns void language plpgsql as $$
begin
  insert into event (site_id, channel_id, seq, type, data) values (p_site, p_channel, p_seq, p_type, p_data);
  perform pg_notify('cackled_event', event_notification(p_site, p_channel, p_seq, p_type, p_data));
  if p_webhook then
    insert into outbox (site_id, kind, body)
    values (p_site, 'webhook', event_webhook(p_site, p_channel, p_seq, p_type, p_data));
  end if;
  perform queue_webhooks(p_site, p_channel, p_seq, p_type, array[p_data]);
end
$$;
revoke execute on function announce(int, bigint, bigint, text, text, boolean) from public;
grant execute on function announce(int, bigint, bigint, text, text, boolean) to cackled_app, cackled_system;

-- The same for several events of one type, numbered from p_seq on.
create or replace function announce_all(
  p_site int, p_channel bigint, p_seq bigint, p_type text, p_data text[], p_webhook boolean
) returns void language plpgsql set plan_cache_mode = force_generic_plan as $$
begin
  insert into event (site_id, channel_id, seq, type, data)
  select p_site, p_channel, p_seq - 1 + x.n, p_type, x.data from unnest(p_data) with ordinality x (data, n);
  perform pg_notify('cackled_event', event_notification(p_site, p_channel, p_seq - 1 + x.n, p_type, x.data))
  from unnest(p_data) with ordinality x (data, n);
  if p_webhook then
    insert into outbox (site_id, kind, body)
    select p_site, 'webhook', event_webhook(p_site, p_channel, p_seq - 1 + x.n, p_type, x.data)
    from unnest(p_data) with ordinality x (data, n) order by x.n;
  end if;
  perform queue_webhooks(p_site, p_channel, p_seq, p_type, p_data);
end
$$;
revoke execute on function announce_all(int, bigint, bigint, text, text[], boolean) from public;
grant execute on function announce_all(int, bigint, bigint, text, text[], boolean) to cackled_app, cackled_system;

-- An event's data with other words of its subject, which is its member p_subject. With p_json null the subject stays
-- without words: the members that p_scrubbed has are replaced by what stands there. All else is kept as it was written.
create or replace function reworded_event(p_data text, p_subject text, p_json text, p_scrubbed json) returns text
language sql immutable parallel safe as $$
  select concat('{', string_agg(concat(to_json(x.key), ':', case
    when x.key <> p_subject then x.value::text
    when p_json is not null then p_json
    else (
      select concat('{', string_agg(concat(to_json(y.key), ':', coalesce((p_scrubbed -> y.key)::text, y.value::text)),
                                    ',' order by y.n), '}')
      from json_each(x.value) with ordinality y (key, value, n)
    ) end), ',' order by x.n), '}')
  from json_each(p_data::json) with ordinality x (key, value, n)
$$;

-- The events that hold a subject (a comment, say), in the log: its words go (p_json null), or are replaced by those of
-- p_json, the subject as it is now. Their numbers stay, so that nobody sees a gap. Called with the channel's row locked.
create or replace function replace_event_words(
  p_site int, p_channel bigint, p_subject text, p_id bigint, p_since timestamptz, p_json text, p_scrubbed json
) returns void language plpgsql as $$
begin
  update event e set data = reworded_event(e.data, p_subject, p_json, p_scrubbed)
  where e.site_id = p_site and e.channel_id = p_channel and e.created_at >= p_since
    and starts_with(e.data, format('{"%s":{"id":"%s",', p_subject, p_id));
  -- In whatever channel it was: what is told of a conversation that moved keeps its old position.
  update webhook_event e set data = reworded_event(e.data, p_subject, p_json, p_scrubbed)
  where e.site_id = p_site and left(e.data, 64) collate "C" >= format('{"%s":{"id":"%s",', p_subject, p_id)
    and left(e.data, 64) collate "C" < format('{"%s":{"id":"%s"-', p_subject, p_id);
end
$$;

-- What the log holds of a visitor's words about subjects of a kind, in some channels (null: in all). Such a subject says
-- whose it is: "author":{"id":"7", ...}. Within texts quotes are escaped, so that none of them can look like that.
create or replace function scrub_events(
  p_site int, p_visitor bigint, p_channels bigint[], p_subject text, p_scrubbed json
) returns void language sql as $$
  update event e set data = reworded_event(e.data, p_subject, null, p_scrubbed)
  where e.site_id = p_site and (p_channels is null or e.channel_id = any(p_channels))
    and starts_with(e.data, format('{"%s":{"id":"', p_subject))
    and strpos(e.data, format('"author":{"id":"%s"', p_visitor)) > 0;
  update webhook_event e set data = reworded_event(e.data, p_subject, null, p_scrubbed)
  where e.site_id = p_site
    and starts_with(e.data, format('{"%s":{"id":"', p_subject))
    and strpos(e.data, format('"author":{"id":"%s"', p_visitor)) > 0;
$$;

-- Lock the channel of a product before something is written there, for the rest of the transaction; it is made where it
-- is not there. An address or a title that is not empty is the page's from here on. Raises CK409 where another key has
-- that id, and CK403 where it is closed.
create or replace function open_channel(
  p_site int, p_product text, p_channel bigint, p_key text, p_url text, p_title text
) returns void language plpgsql as $$
declare
  ch channel;
begin
  select * into ch from channel x where x.site_id = p_site and x.id = p_channel for no key update;
  if ch.id is null then
    insert into channel (site_id, id, product, key, url, title)
    values (p_site, p_channel, p_product, p_key, p_url, p_title) on conflict do nothing;
    select * into ch from channel x where x.site_id = p_site and x.id = p_channel for no key update;
  end if;
  if ch.key <> p_key or ch.product <> p_product then
    raise exception using errcode = 'CK409', message = 'key';
  elsif ch.locked then
    raise exception using errcode = 'CK403', message = 'locked';
  end if;
  if p_url not in ('', ch.url) or p_title not in ('', ch.title) then
    update channel x set url = coalesce(nullif(p_url, ''), x.url), title = coalesce(nullif(p_title, ''), x.title)
    where x.site_id = p_site and x.id = p_channel;
  end if;
end
$$;

-- Raise the number of a channel by one; gives the new one.
create or replace function advance_seq(p_site int, p_channel bigint) returns bigint language sql as $$
  update channel x set seq = x.seq + 1, modified_at = now()
  where x.site_id = p_site and x.id = p_channel
  returning x.seq
$$;
