-- Orders, and what is asked for by mail.
-- cackled: revision 2

-- What signs tokens of a site; p_new: a random one, for where there is none yet.
create or replace function review_secret(p_site int, p_new text) returns text language plpgsql as $$
begin
  insert into review_secret (site_id, secret) values (p_site, p_new) on conflict do nothing;
  return (select x.secret from review_secret x where x.site_id = p_site);
end
$$;

-- The key in the address of the site's private feed. p_new: a random one, for where there is none yet, or with p_renew in
-- place of the one that there is.
create or replace function review_feed_key(p_site int, p_secret text, p_new text, p_renew boolean) returns text
language plpgsql as $$
declare
  found_key text;
begin
  select x.feed into found_key from review_secret x where x.site_id = p_site;
  if found_key <> '' and not p_renew then
    return found_key;
  end if;
  insert into review_secret as x (site_id, secret, feed) values (p_site, p_secret, p_new)
  on conflict (site_id) do update set feed = case when p_renew or x.feed = '' then excluded.feed else x.feed end
  returning x.feed into found_key;
  return found_key;
end
$$;

-- Note an order, or more of one that is known. p_incentivized: its buyer gets something for a review. p_items: JSON array of {"channel", "key", "url", "title"}. p_due: when it is
-- to be asked for reviews (null: never). Gives its number, and whether it is new.
create or replace function note_review_order(
  p_site int, p_ref text, p_mail text, p_hash text, p_name text, p_language text, p_event text, p_at timestamptz,
  p_source text, p_items text, p_due timestamptz, p_incentivized boolean
) returns table (id bigint, added boolean) language plpgsql as $$
#variable_conflict use_column
begin
  insert into review_order as o (site_id, ref, mail, mail_hash, name, language, event, happened_at, source, incentivized)
  values (p_site, p_ref, p_mail, p_hash, p_name, p_language, p_event, p_at, p_source, p_incentivized)
  on conflict (site_id, ref) do update set event = excluded.event, happened_at = excluded.happened_at,
    incentivized = o.incentivized or excluded.incentivized,
    mail = coalesce(nullif(excluded.mail, ''), o.mail), mail_hash = coalesce(nullif(excluded.mail_hash, ''), o.mail_hash),
    name = coalesce(nullif(excluded.name, ''), o.name), language = coalesce(nullif(excluded.language, ''), o.language)
  returning o.id, o.xmax = 0 into id, added;
  insert into review_order_item (site_id, order_id, channel_id, key, url, title)
  select p_site, note_review_order.id, (x.value ->> 'channel')::bigint, x.value ->> 'key', x.value ->> 'url', x.value ->> 'title'
  from json_array_elements(p_items::json) x on conflict do nothing;
  if p_due is not null then
    insert into review_request as r (site_id, order_id, due_at) values (p_site, note_review_order.id, p_due)
    on conflict (site_id, order_id) do update set due_at = excluded.due_at where r.state = 'waiting';
    -- The row of the outbox looks at the request when its time has come.
    insert into outbox (site_id, kind, body, next_at)
    select p_site, 'review-mail', format('{"about":"request","id":"%s"}', note_review_order.id), greatest(p_due, now())
    from review_request r where r.site_id = p_site and r.order_id = note_review_order.id and r.state = 'waiting';
  end if;
  return next;
end
$$;

-- The same for nodes that know nothing of rewards yet.
create or replace function note_review_order(
  p_site int, p_ref text, p_mail text, p_hash text, p_name text, p_language text, p_event text, p_at timestamptz,
  p_source text, p_items text, p_due timestamptz
) returns table (id bigint, added boolean) language sql as $$
  select * from note_review_order(p_site, p_ref, p_mail, p_hash, p_name, p_language, p_event, p_at, p_source, p_items,
                                  p_due, false)
$$;

-- A review is written with the token of an order: it was bought. Raises CK422 'order-product' where the order has no such
-- product, CK409 'order-used' where it was reviewed with it already.
create or replace function use_review_order(p_site int, p_order bigint, p_channel bigint, p_review bigint) returns void
language plpgsql as $$
declare
  i review_order_item;
begin
  select * into i from review_order_item x
  where x.site_id = p_site and x.order_id = p_order and x.channel_id = p_channel for update;
  if not found then
    raise exception using errcode = 'CK422', message = 'order-product';
  elsif i.review_id is not null then
    raise exception using errcode = 'CK409', message = 'order-used';
  end if;
  update review_order_item x set review_id = p_review
  where x.site_id = p_site and x.order_id = p_order and x.channel_id = p_channel;
  update review_request x set state = 'answered', answered_at = coalesce(x.answered_at, now())
  where x.site_id = p_site and x.order_id = p_order and x.state in ('waiting', 'sent', 'reminded', 'opened');
end
$$;

-- What a token of an order is for, as JSON; null where the order is not known.
create or replace function review_order_told(p_site int, p_order bigint) returns text language sql stable as $$
  select json_build_object('order', o.ref, 'name', o.name, 'language', o.language, 'products', coalesce((
    select json_agg(json_build_object('key', i.key, 'url', i.url, 'title', i.title, 'used', i.review_id is not null)
                    order by i.key)
    from review_order_item i where i.site_id = p_site and i.order_id = o.id), '[]'))::text
  from review_order o where o.site_id = p_site and o.id = p_order
$$;

-- Nobody writes to that address any more.
create or replace function block_review_mail(p_site int, p_hash text, p_shown text, p_why text) returns void
language sql as $$
  insert into review_block (site_id, mail_hash, shown, why) values (p_site, p_hash, p_shown, p_why) on conflict do nothing;
  update review_request x set state = 'stopped', note = p_why
  where x.site_id = p_site and x.state in ('waiting', 'sent', 'reminded') and x.order_id in (
    select o.id from review_order o where o.site_id = p_site and o.mail_hash = p_hash);
$$;

-- Forget whose orders those of a visitor are.
create or replace function forget_review_orders(p_site int, p_visitor bigint) returns void language sql as $$
  update review_order o set mail = '', name = '', mail_hash = ''
  where o.site_id = p_site and (o.mail <> '' or o.name <> '' or o.mail_hash <> '') and (
    o.id in (select r.order_id from review r where r.site_id = p_site and r.visitor_id = p_visitor
             and r.order_id is not null)
    or o.mail_hash in (select encode(sha256(lower(p.email)::bytea), 'hex') from person p
                       where p.site_id = p_site and p.visitor_id = p_visitor and p.email <> ''))
$$;
