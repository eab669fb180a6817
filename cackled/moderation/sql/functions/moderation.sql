-- Decisions on what visitors wrote: what products note while they make them.
-- cackled: revision 4

-- Note that an item was changed by an action, and what it takes to undo that; colleagues who look on are told.
create or replace function note_step(
  p_site int, p_action bigint, p_item text, p_deed text, p_name text, p_before text, p_version int, p_state text
) returns void language plpgsql as $$
begin
  insert into moderation_step (site_id, action_id, item, before, version)
  values (p_site, p_action, p_item, p_before, p_version)
  on conflict (site_id, action_id, item) do update set version = excluded.version;
  perform count_decision(p_site, p_action, p_item, p_deed, p_name,
    case when p_before like '{%' then coalesce((p_before::json ->> 'status')::int = 0, false) else false end);
  delete from moderation_claim x where x.site_id = p_site and x.item = p_item;
  perform tell_staff(p_site, 'item.decided', json_build_object(
    'item', p_item, 'action', p_deed, 'by', p_name, 'state', p_state, 'version', p_version,
    'decision', p_action::text)::text);
end
$$;

-- Raises CK403 where somebody was told something that they have to read before they write again.
create or replace function check_warned(p_site int, p_visitor bigint) returns void language plpgsql as $$
begin
  if exists (select from author_warning w where w.site_id = p_site and w.visitor_id = p_visitor and w.read_at is null) then
    raise exception using errcode = 'CK403', message = 'warned';
  end if;
end
$$;

-- Claim an item for some seconds, or prolong that; p_seconds 0: let it go. Gives who has it then, which may be a
-- colleague.
create or replace function claim_item(p_site int, p_item text, p_who text, p_name text, p_seconds int)
returns table (who text, name text, until timestamptz) language plpgsql as $$
declare
  c moderation_claim;
  was timestamptz;
begin
  select * into c from moderation_claim x where x.site_id = p_site and x.item = p_item for update;
  if found and c.until > now() and c.who <> p_who then
    return query select c.who, c.name, c.until;
    return;
  end if;
  was := case when c.until > now() then c.until end;
  if p_seconds <= 0 then
    delete from moderation_claim x where x.site_id = p_site and x.item = p_item;
  else
    insert into moderation_claim (site_id, item, who, name, until)
    values (p_site, p_item, p_who, p_name, now() + make_interval(secs => p_seconds))
    on conflict (site_id, item) do update set who = excluded.who, name = excluded.name, until = excluded.until
    where moderation_claim.who = excluded.who or moderation_claim.until <= now();
    return query select x.who, x.name, x.until from moderation_claim x where x.site_id = p_site and x.item = p_item;
  end if;
  -- Also that it is prolonged: those who look on let claims run out by themselves.
  if was is not null or p_seconds > 0 then
    perform tell_staff(p_site, 'item.claimed', json_build_object(
      'item', p_item, 'by', case when p_seconds > 0 then p_name else '' end,
      'who', case when p_seconds > 0 then p_who else '' end, 'until', case when p_seconds > 0
        then to_char(now() at time zone 'UTC' + make_interval(secs => p_seconds), 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
        else '' end)::text);
  end if;
end
$$;
