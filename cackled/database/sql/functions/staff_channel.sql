-- What those who work on a site are told, live.
-- cackled: revision 2

-- The channel where the staff of a site listens; made by the first who asks. p_new: a random number for it.
create or replace function staff_channel(p_site int, p_new bigint) returns bigint language plpgsql as $$
begin
  insert into staff_channel (site_id, channel_id) values (p_site, p_new) on conflict do nothing;
  insert into channel (site_id, id, product, key)
  select p_site, x.channel_id, 'staff', 'queue' from staff_channel x where x.site_id = p_site on conflict do nothing;
  return (select x.channel_id from staff_channel x where x.site_id = p_site);
end
$$;

-- The channel where moderators of these sections listen; none: that of the whole site.
create or replace function staff_channel(p_site int, p_new bigint, p_sections text[]) returns bigint
language plpgsql as $$
declare
  ordered text[] := array(select distinct x from unnest(p_sections) x order by x);
begin
  if cardinality(ordered) = 0 then
    return staff_channel(p_site, p_new);
  end if;
  insert into staff_section_channel (site_id, sections, channel_id) values (p_site, ordered, p_new)
  on conflict do nothing;
  insert into channel (site_id, id, product, key)
  select p_site, x.channel_id, 'staff', 'section:' || x.channel_id from staff_section_channel x
  where x.site_id = p_site and x.sections = ordered on conflict do nothing;
  return (select x.channel_id from staff_section_channel x where x.site_id = p_site and x.sections = ordered);
end
$$;

-- The channel that an item of the queue (comment:123) is in; null where that is not known. A product says so by a function
-- KIND_item_channel(site, id).
create or replace function item_channel(p_site int, p_item text) returns bigint language plpgsql stable as $$
declare
  named text := split_part(p_item, ':', 1) || '_item_channel';
  found bigint;
begin
  if to_regprocedure(format('%I(int,bigint)', named)) is not null then
    execute format('select %I($1, $2)', named) into found using p_site, split_part(p_item, ':', 2)::bigint;
  end if;
  return found;
end
$$;

-- Tell the staff of a site, if anybody ever listened; moderators of sections only of items in those. Called last, as it
-- locks the rows of their channels.
create or replace function tell_staff(p_site int, p_type text, p_data text) returns void language plpgsql as $$
declare
  there bigint;
begin
  select x.channel_id into there from staff_channel x where x.site_id = p_site;
  if found then
    perform announce(p_site, there, advance_seq(p_site, there), p_type, p_data, false);
  end if;
  if exists (select from staff_section_channel x where x.site_id = p_site) then
    for there in
      select x.channel_id from staff_section_channel x, channel h
      where x.site_id = p_site and h.site_id = p_site and h.id = item_channel(p_site, p_data::json ->> 'item')
        and exists (select from unnest(x.sections) s where starts_with(h.key, s))
      order by x.channel_id
    loop
      perform announce(p_site, there, advance_seq(p_site, there), p_type, p_data, false);
    end loop;
  end if;
end
$$;

-- End the channels where the staff of a site listens: whoever may, asks for the new ones; nobody else hears any more.
-- Gives how many there were.
create or replace function end_staff_channels(p_site int) returns int language plpgsql as $$
declare
  there bigint;
  n int := 0;
begin
  for there in
    with main as (delete from staff_channel x where x.site_id = p_site returning x.channel_id),
    parts as (delete from staff_section_channel x where x.site_id = p_site returning x.channel_id)
    select x.channel_id from (select channel_id from main union all select channel_id from parts) x order by 1
  loop
    perform announce(p_site, there, advance_seq(p_site, there), 'staff.moved', '{}', false);
    delete from channel x where x.site_id = p_site and x.id = there;
    n := n + 1;
  end loop;
  return n;
end
$$;
