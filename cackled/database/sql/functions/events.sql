-- The event log and the number of a channel that every visible change raises.
-- cackled: revision 1

-- Write an event of a channel into the log, tell whoever listens, and queue it for the site's webhook where it has one.
-- One function, so that a webhook gets exactly what the log holds.
create or replace function announce(
  p_site int, p_channel bigint, p_seq bigint, p_type text, p_data text, p_webhook boolean
) returns void language plpgsql as $$
declare
  payload text;
begin
  insert into event (site_id, channel_id, seq, type, data) values (p_site, p_channel, p_seq, p_type, p_data);
  payload := format('{"s":%s,"c":"%s","q":%s,"t":"%s","x":"%s"', p_site, p_channel, p_seq, p_type,
                    pg_current_xact_id());
  if octet_length(p_data) < 7600 then
    payload := payload || ',"d":' || p_data;
  end if;
  perform pg_notify('cackled_event', payload || '}');
  if p_webhook then
    insert into outbox (site_id, kind, body)
    values (p_site, 'webhook', concat('{"type":"', p_type, '","position":"', p_site, '/', p_channel, '@', p_seq,
                                      '","data":', p_data, '}'));
  end if;
end
$$;
revoke execute on function announce(int, bigint, bigint, text, text, boolean) from public;
grant execute on function announce(int, bigint, bigint, text, text, boolean) to cackled_app, cackled_system;

-- An event about a comment without its words and its author, as the comment is given out once it is deleted.
create or replace function scrubbed_event(p_data text) returns text language sql immutable parallel safe as $$
  select concat(
    '{"comment":{',
    (select string_agg(concat(to_json(key), ':', case key
       when 'author' then 'null' when 'html' then '""' when 'deleted' then 'true' else value::text end), ',' order by n)
     from json_each(p_data::json -> 'comment') with ordinality x (key, value, n)),
    '}', coalesce(substring(p_data from ',"comments":[0-9]+[}]$'), '}'))
$$;

-- The events of a comment that the log holds: their words go (p_json null), or are replaced by those of p_json (the
-- comment as it is now). Their numbers stay, so that nobody sees a gap. Called with the channel's row locked.
create or replace function replace_event_words(
  p_site int, p_channel bigint, p_comment bigint, p_since timestamptz, p_json text
) returns void language plpgsql as $$
begin
  update event e set data = case when p_json is null then scrubbed_event(e.data)
    else concat('{"comment":', p_json, coalesce(substring(e.data from ',"comments":[0-9]+[}]$'), '}')) end
  where e.site_id = p_site and e.channel_id = p_channel and e.created_at >= p_since
    and starts_with(e.data, format('{"comment":{"id":"%s",', p_comment));
end
$$;

-- Raise the number of a channel by one; gives the new one.
create or replace function advance_seq(
  p_site int, p_channel bigint, p_visible int, p_root int
) returns bigint language sql as $$
  update channel x set seq = x.seq + 1, n_visible = x.n_visible + p_visible, n_root = x.n_root + p_root,
    modified_at = now()
  where x.site_id = p_site and x.id = p_channel
  returning x.seq
$$;

-- How many comments a channel shows.
create or replace function visible_comments(p_site int, p_channel bigint) returns int language sql stable as $$
  select x.n_visible from channel x where x.site_id = p_site and x.id = p_channel
$$;
