-- Whether somebody is there: operators at their desks, who of them is lost, and what visitors are told of it.
-- cackled: revision 3

-- 0: nobody is there, 1: away, 2: online.
create or replace function chat_status(p_site int) returns int language sql stable as $$
  select coalesce(max(case d.state when 'online' then 2 else 1 end), 0) from chat_desk d
  where d.site_id = p_site and d.seen_at > now() - interval '60 seconds' and d.state <> 'invisible'
$$;

-- Tell visitors whether somebody is there, where that changed, or (p_always) once more. p_channel: where (null: where it
-- was told before). Gives the seq of what was told, else null. Called last: it locks the row of that channel.
create or replace function tell_status(p_site int, p_channel bigint, p_always boolean) returns bigint
language plpgsql as $$
declare
  s chat_setup;
  now_there int;
  told bigint;
begin
  insert into chat_setup as x (site_id, channel_id) values (p_site, p_channel)
  on conflict (site_id) do update set channel_id = coalesce(p_channel, x.channel_id) returning * into s;
  now_there := chat_status(p_site);
  if s.channel_id is null or (now_there is not distinct from s.status and not p_always) then
    return null;
  end if;
  update chat_setup x set status = now_there where x.site_id = p_site;
  perform open_channel(p_site, 'chat', s.channel_id, 'chat', '', '');
  told := advance_seq(p_site, s.channel_id);
  perform announce(p_site, s.channel_id, told, 'chat.status',
    concat('{"status":"', (array['offline', 'away', 'online'])[now_there + 1], '"}'), false);
  return told;
end
$$;

create or replace function chat_viewers(p_site int, p_chat bigint) returns text language sql stable as $$
  select coalesce(json_agg(json_build_object('id', 'account:' || d.account_id, 'name', d.name) order by d.account_id),
                  '[]')::text
  from chat_desk d where d.site_id = p_site and d.viewing = p_chat and d.seen_at > now() - interval '60 seconds'
$$;

create or replace function desk_json(d chat_desk) returns text language sql stable as $$
  select json_build_object('id', 'account:' || d.account_id, 'name', d.name, 'avatar', desk_avatar(d),
    'state', case when d.lost then 'away' else d.state end, 'capacity', d.capacity,
    'departments', array(select x::text from unnest(d.departments) x), 'languages', d.languages, 'skills', d.skills,
    'chosen', d.chosen,
    'chats', (select count(*) from chat c where c.site_id = d.site_id and c.assignee = d.account_id and c.state = 'open')
  )::text
$$;

-- An operator is at the desk, and looks at a conversation (null: at none). Their row is made by the first beat, in the
-- state p_first. Who was lost is back. p_picture: as their account names it; null: as it is. Gives the state.
create or replace function beat_desk(
  p_site int, p_account bigint, p_name text, p_viewing bigint, p_first text, p_channel bigint, p_picture text
) returns text language plpgsql as $$
declare
  b chat_desk;
  d chat_desk;
begin
  insert into chat_desk as x (site_id, account_id, name, state, seen_at)
  values (p_site, p_account, p_name, p_first, '-infinity') on conflict (site_id, account_id) do nothing;
  select * into b from chat_desk x where x.site_id = p_site and x.account_id = p_account for no key update;
  update chat_desk x set seen_at = now(), name = p_name, viewing = p_viewing, lost = false,
    picture = coalesce(p_picture, x.picture), free_since = case when b.lost or b.seen_at = '-infinity' then now() else x.free_since end
  where x.site_id = p_site and x.account_id = p_account returning * into d;
  if b.viewing is distinct from p_viewing then
    perform tell_operators(p_site, 'chat.viewing', concat('{"id":"', x.id, '","viewers":', chat_viewers(p_site, x.id), '}'))
    from (select distinct y.id from unnest(array[b.viewing, p_viewing]) y (id) where y.id is not null order by y.id) x;
  end if;
  if b.lost or b.seen_at < now() - interval '60 seconds' then
    perform tell_operators(p_site, 'desk.changed', desk_json(d));
    perform tell_status(p_site, p_channel, false);
  elsif b.picture <> d.picture then
    perform tell_operators(p_site, 'desk.changed', desk_json(d));
  end if;
  return d.state;
end
$$;

-- The same, as releases of before call it.
create or replace function beat_desk(
  p_site int, p_account bigint, p_name text, p_viewing bigint, p_first text, p_channel bigint
) returns text language sql as $$
  select beat_desk(p_site, p_account, p_name, p_viewing, p_first, p_channel, null)
$$;
create or replace function beat_desk(p_site int, p_account bigint, p_name text, p_viewing bigint) returns text
language sql as $$
  select beat_desk(p_site, p_account, p_name, p_viewing, 'away', null, null)
$$;

-- Change an operator's own desk; null: as it is.
create or replace function set_desk(
  p_site int, p_account bigint, p_name text, p_state text, p_capacity int, p_departments bigint[], p_languages text[],
  p_skills text[], p_channel bigint
) returns text language plpgsql as $$
declare
  d chat_desk;
begin
  insert into chat_desk as x (site_id, account_id, name, state, capacity, departments, languages, skills, chosen)
  values (p_site, p_account, p_name, coalesce(p_state, 'away'), coalesce(p_capacity, 4), coalesce(p_departments, '{}'),
          coalesce(p_languages, '{}'), coalesce(p_skills, '{}'), p_state is not null)
  on conflict (site_id, account_id) do update set name = excluded.name, state = coalesce(p_state, x.state),
    capacity = coalesce(p_capacity, x.capacity), departments = coalesce(p_departments, x.departments),
    languages = coalesce(p_languages, x.languages), skills = coalesce(p_skills, x.skills), seen_at = now(),
    chosen = x.chosen or p_state is not null, lost = false,
    free_since = case when x.state <> 'online' or x.lost then now() else x.free_since end
  returning * into d;
  perform tell_operators(p_site, 'desk.changed', desk_json(d));
  -- Which departments somebody is in is told with it.
  perform tell_status(p_site, p_channel, p_departments is not null or p_skills is not null);
  return desk_json(d);
end
$$;

-- The same, as releases of before call it.
create or replace function set_desk(
  p_site int, p_account bigint, p_name text, p_state text, p_capacity int, p_departments bigint[], p_languages text[]
) returns text language sql as $$
  select set_desk(p_site, p_account, p_name, p_state, p_capacity, p_departments, p_languages, null, null)
$$;

-- An operator who has not been heard of for a minute is lost. One at a time; gives the site, or no row.
create or replace function lose_desk() returns table (site int) language plpgsql as $$
#variable_conflict use_column
declare
  d chat_desk;
begin
  select x.* into d from chat_desk x where not x.lost and x.seen_at < now() - interval '60 seconds'
  order by x.seen_at limit 1 for no key update skip locked;
  if found then
    update chat_desk x set lost = true, viewing = null
    where x.site_id = d.site_id and x.account_id = d.account_id returning * into d;
    if d.state <> 'away' then
      perform tell_operators(d.site_id, 'desk.changed', desk_json(d));
    end if;
    perform tell_status(d.site_id, null, false);
    return query select d.site_id;
  end if;
end
$$;

-- An open conversation whose operator is lost, or has no desk any more, waits again, with a line that says so. One in
-- each transaction, as each locks the rows of channels. Gives the site, or no row.
create or replace function return_chat() returns table (site int) language plpgsql as $$
#variable_conflict use_column
declare
  c chat;
begin
  for c in
    select x.* from chat x where x.state = 'open' and x.assignee is not null and not exists (
      select from chat_desk d where d.site_id = x.site_id and d.account_id = x.assignee and not d.lost)
    limit 20
  loop
    perform from channel h where h.site_id = c.site_id and h.id = c.channel_id for no key update skip locked;
    if found and exists (
        select from chat x where x.site_id = c.site_id and x.id = c.id and x.state = 'open' and x.assignee = c.assignee)
    then
      perform hand_over_chat(c.site_id, c.id, null, null, 'lost');
      return query select c.site_id;
      return;
    end if;
  end loop;
end
$$;

-- As releases of before call it: a batch at a time.
create or replace function lose_desks() returns bigint language plpgsql as $$
begin
  perform lose_desk();
  return (select count(*) from return_chat());
end
$$;
