-- What visitors share with their accounts elsewhere.
-- cackled: revision 1

-- Have what is to be shared of an item handed over.
create or replace function queue_share(p_site int, p_item text, p_network text) returns void language sql as $$
  insert into outbox (site_id, kind, body)
  values (p_site, 'share', json_build_object('item', p_item, 'network', p_network)::text)
$$;

-- Share an item of p_visitor with their account at a network. Done again, it does nothing, unless it failed before: then
-- it is tried once more. Gives nothing where there is no such account, or the item is somebody else's.
create or replace function share_item(p_site int, p_visitor bigint, p_item text, p_network text, p_state text)
returns setof share language plpgsql as $$
declare
  s share;
begin
  perform from share_account a where a.site_id = p_site and a.visitor_id = p_visitor and a.network = p_network for share;
  if not found then
    return;
  end if;
  insert into share (site_id, item, network, visitor_id, state)
  values (p_site, p_item, p_network, p_visitor, p_state) on conflict do nothing returning * into s;
  if not found then
    update share x set state = p_state, reason = '', tries = 0, done_at = null
    where x.site_id = p_site and x.item = p_item and x.network = p_network and x.visitor_id = p_visitor
      and x.state = 'failed'
    returning * into s;
  end if;
  if s.state = 'waiting' then
    perform queue_share(p_site, p_item, p_network);
  end if;
  return query select x.* from share x
    where x.site_id = p_site and x.item = p_item and x.network = p_network and x.visitor_id = p_visitor;
end
$$;

-- Others see an item from here on: what waited for that is handed over.
create or replace function release_shares(p_site int, p_item text) returns void language plpgsql as $$
declare
  s share;
begin
  for s in update share x set state = 'waiting' where x.site_id = p_site and x.item = p_item and x.state = 'held'
      returning * loop
    perform queue_share(p_site, s.item, s.network);
  end loop;
end
$$;

-- Have tokens given back to the network.
create or replace function queue_share_revoke(a share_account) returns void language sql as $$
  insert into outbox (site_id, kind, body)
  values (a.site_id, 'share-revoke', json_build_object(
    'network', a.network, 'server', a.server, 'sealed', encode(a.sealed, 'hex'))::text)
$$;

-- A visitor connected an account, instead of the one at that network that they had. The tokens of another server's are
-- given back; of the same server they may be the same.
create or replace function put_share_account(
  p_site int, p_visitor bigint, p_network text, p_server text, p_name text, p_sealed bytea
) returns void language plpgsql as $$
declare
  a share_account;
begin
  select * into a from share_account x where x.site_id = p_site and x.visitor_id = p_visitor and x.network = p_network
  for update;
  if a.server <> p_server and not a.lost then
    perform queue_share_revoke(a);
  end if;
  insert into share_account (site_id, visitor_id, network, server, name, sealed)
  values (p_site, p_visitor, p_network, p_server, p_name, p_sealed)
  on conflict (site_id, visitor_id, network) do update set server = excluded.server, name = excluded.name,
    sealed = excluded.sealed, version = share_account.version + 1, refreshing = null, lost = false, created_at = now();
end
$$;

-- An account is let go: its tokens are given back to the network, by the outbox, and then nobody has them.
create or replace function drop_share_account(p_site int, p_visitor bigint, p_network text) returns boolean
language plpgsql as $$
declare
  a share_account;
begin
  delete from share_account x where x.site_id = p_site and x.visitor_id = p_visitor and x.network = p_network
  returning * into a;
  if not found then
    return false;
  end if;
  delete from share x where x.site_id = p_site and x.visitor_id = p_visitor and x.network = p_network
    and x.state in ('held', 'waiting');
  if not a.lost then
    perform queue_share_revoke(a);
  end if;
  return true;
end
$$;

-- What guests shared is the person's that they became; of two accounts at a network the person's own stays.
create or replace function carry_shares(p_site int, p_visitor bigint, p_from bigint) returns void language plpgsql as $$
declare
  a share_account;
begin
  update share_account x set visitor_id = p_visitor where x.site_id = p_site and x.visitor_id = p_from and not exists (
    select from share_account y where y.site_id = p_site and y.visitor_id = p_visitor and y.network = x.network);
  for a in select * from share_account x where x.site_id = p_site and x.visitor_id = p_from loop
    perform drop_share_account(p_site, p_from, a.network);
  end loop;
  update share x set visitor_id = p_visitor where x.site_id = p_site and x.visitor_id = p_from;
end
$$;

-- Forget the accounts of a visitor, and what they shared; nothing of that shows anywhere.
create or replace function erase_shares(p_site int, p_visitor bigint, p_most int)
returns table (channel bigint, seq bigint) language plpgsql as $$
declare
  a share_account;
begin
  perform erase_alone(p_site);
  for a in select * from share_account x where x.site_id = p_site and x.visitor_id = p_visitor loop
    perform drop_share_account(p_site, p_visitor, a.network);
  end loop;
  delete from share x where x.ctid = any(array(
    select y.ctid from share y where y.site_id = p_site and y.visitor_id = p_visitor limit p_most));
  if exists (select from share x where x.site_id = p_site and x.visitor_id = p_visitor) then
    return query select null::bigint, null::bigint;
  end if;
end
$$;
