-- What those who work on a site are told, live.
-- cackled: revision 1

-- The channel where the staff of a site listens; made by the first who asks. p_new: a random number for it.
create or replace function staff_channel(p_site int, p_new bigint) returns bigint language plpgsql as $$
begin
  insert into staff_channel (site_id, channel_id) values (p_site, p_new) on conflict do nothing;
  insert into channel (site_id, id, product, key)
  select p_site, x.channel_id, 'staff', 'queue' from staff_channel x where x.site_id = p_site on conflict do nothing;
  return (select x.channel_id from staff_channel x where x.site_id = p_site);
end
$$;

-- Tell the staff of a site, if anybody ever listened. Called last, as it locks the row of their channel.
create or replace function tell_staff(p_site int, p_type text, p_data text) returns void language plpgsql as $$
declare
  there bigint;
begin
  select x.channel_id into there from staff_channel x where x.site_id = p_site;
  if found then
    perform announce(p_site, there, advance_seq(p_site, there), p_type, p_data, false);
  end if;
end
$$;
