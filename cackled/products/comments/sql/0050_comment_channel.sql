-- The counts of a conversation's comments leave `channel`, which all products share, for a table of their own.
-- cackled: compat 1

create table comment_channel (
  site_id int not null,
  channel_id bigint not null,
  n_visible int not null default 0,
  n_root int not null default 0,
  n_pending int not null default 0,
  last_comment_id bigint not null default 0,
  primary key (site_id, channel_id)
) with (fillfactor = 70);
alter table comment_channel enable row level security;
alter table comment_channel force row level security;
create policy own_site on comment_channel to cackled_app
  using (site_id = (select app_site())) with check (site_id = (select app_site()));
create policy all_sites on comment_channel to cackled_system using (true) with check (true);
grant select, insert, update, delete on comment_channel to cackled_app, cackled_system;

-- What functions of releases before count in `channel` until they are replaced. Functions of this one count in both,
-- and comment_channels.sql takes the trigger away.
create function counted_before() returns trigger language plpgsql as $$
begin
  insert into comment_channel (site_id, channel_id, n_visible, n_root, n_pending, last_comment_id)
  values (new.site_id, new.id, new.n_visible, new.n_root, new.n_pending, new.last_comment_id)
  on conflict (site_id, channel_id) do update set n_visible = excluded.n_visible, n_root = excluded.n_root,
    n_pending = excluded.n_pending, last_comment_id = excluded.last_comment_id;
  return null;
end
$$;
create trigger counted_before after insert or update of n_visible, n_root, n_pending, last_comment_id on channel
  for each row when (new.product = 'comments') execute function counted_before();
