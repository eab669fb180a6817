-- Channels, comments, votes, the event log and what belongs to them.
-- Every table with a site has row-level security: cackled_app sees the site named by app.site and, where none is
-- named, nothing; cackled_system sees all.
-- cackled: compat 1

create function app_site() returns int language sql stable parallel safe as $$
  select nullif(current_setting('app.site', true), '')::int
$$;

-- A page's conversation. id is computed from the key (63 bits of BLAKE2b), so a row exists only once somebody wrote.
-- seq is raised by one under this row's lock by every visible change: the order of events is the order of commits.
create table channel (
  site_id int not null,
  id bigint not null,
  key text not null,
  url text not null default '',
  title text not null default '',
  seq bigint not null default 0,
  n_visible int not null default 0,
  n_root int not null default 0,
  n_pending int not null default 0,
  locked boolean not null default false,
  last_comment_id bigint not null default 0,
  created_at timestamptz not null default now(),
  modified_at timestamptz not null default now(),
  primary key (site_id, id)
) with (fillfactor = 70);

-- status: 0 pending, 1 visible, 2 spam, 3 rejected, 4 deleted. shown: on the page, be it as a tombstone.
-- n_replies: shown direct replies; n_thread (roots only): all shown replies below.
create table comment (
  id bigint not null,
  site_id int not null,
  channel_id bigint not null,
  parent_id bigint,
  root_id bigint not null,
  visitor_id bigint not null,
  depth smallint not null,
  status smallint not null default 1,
  shown boolean not null default true,
  html_ver smallint not null default 1,
  up int not null default 0,
  down int not null default 0,
  n_replies int not null default 0,
  n_thread int not null default 0,
  n_flags int not null default 0,
  rank real not null default 0.21132487,
  created_at timestamptz not null default now(),
  edited_at timestamptz,
  modified_at timestamptz not null default now(),
  ip inet,
  author_name text not null,
  src text not null,
  html text not null,
  primary key (id, site_id)
) with (fillfactor = 85);
create index comment_root_new on comment (site_id, channel_id, id desc) where parent_id is null and shown;
create index comment_root_best on comment (site_id, channel_id, rank desc, id desc) where parent_id is null and shown;
create index comment_replies on comment (site_id, channel_id, root_id, id) where parent_id is not null and shown;
create index comment_queue on comment (site_id, id desc) where status = 0;
create index comment_sync on comment (site_id, modified_at, id);
create index comment_visitor on comment (site_id, visitor_id, id desc);

create table visitor (
  site_id int not null,
  id bigint not null,
  name text not null,
  first_ip inet,
  last_ip inet,
  n_comments int not null default 0,
  created_at timestamptz not null default now(),
  last_seen timestamptz not null default now(),
  primary key (site_id, id)
) with (fillfactor = 80);

-- Led by the visitor within a channel: the first render asks for one visitor's votes on one page.
create table vote (
  site_id int not null,
  channel_id bigint not null,
  visitor_id bigint not null,
  comment_id bigint not null,
  value smallint not null check (value in (-1, 1)),
  created_at timestamptz not null default now(),
  primary key (site_id, channel_id, visitor_id, comment_id)
);

create table flag (
  site_id int not null,
  comment_id bigint not null,
  visitor_id bigint not null,
  reason text not null default '',
  created_at timestamptz not null default now(),
  primary key (site_id, comment_id, visitor_id)
);

-- Whom a visitor does not want to read.
create table block (
  site_id int not null,
  visitor_id bigint not null,
  author_id bigint not null,
  created_at timestamptz not null default now(),
  primary key (site_id, visitor_id, author_id)
);

create table ban (
  site_id int not null,
  id bigint generated always as identity,
  kind text not null check (kind in ('visitor', 'ip', 'word')),
  value text not null,
  network inet,
  until timestamptz,
  note text not null default '',
  created_at timestamptz not null default now(),
  primary key (site_id, id),
  check ((kind = 'ip') = (network is not null))
);
create unique index ban_value on ban (site_id, kind, value);

-- The client's own key of a post: the same key again in the same channel, under whose lock it is looked for, answers
-- with the same comment.
create table post_key (
  site_id int not null,
  visitor_id bigint not null,
  channel_id bigint not null,
  key text not null,
  comment_id bigint not null,
  seq bigint not null,
  created_at timestamptz not null default now(),
  primary key (site_id, visitor_id, channel_id, key)
);
create index post_key_age on post_key (created_at);

-- The event log (transactional outbox of live delivery), kept for two days in partitions that are dropped whole.
create table event (
  site_id int not null,
  channel_id bigint not null,
  seq bigint not null,
  type text not null,
  data text not null,
  created_at timestamptz not null default now(),
  xid xid8 not null default pg_current_xact_id(),
  primary key (site_id, channel_id, seq, created_at)
) partition by range (created_at);
create table event_rest partition of event default;
create index event_xid on event (xid);

-- Work that leaves the house: claimed with FOR UPDATE SKIP LOCKED, never on the request path.
create table outbox (
  id bigint generated always as identity primary key,
  site_id int not null,
  kind text not null,
  body text not null,
  tries int not null default 0,
  next_at timestamptz not null default now(),
  created_at timestamptz not null default now(),
  done_at timestamptz,
  error text
);
create index outbox_next on outbox (next_at) where done_at is null;

do $$
declare
  t text;
begin
  foreach t in array array['channel', 'comment', 'visitor', 'vote', 'flag', 'block', 'ban', 'post_key', 'event',
                           'outbox'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy own_site on %I to cackled_app using (site_id = (select app_site())) '
                   'with check (site_id = (select app_site()))', t);
    execute format('create policy all_sites on %I to cackled_system using (true) with check (true)', t);
    execute format('grant select, insert, update, delete on %I to cackled_app, cackled_system', t);
  end loop;
end
$$;

-- Microseconds since 2025 (51 bits), shard (6 bits), sequence (6 bits): ordered by time, never equal within a site.
create sequence comment_id_low cycle minvalue 0 maxvalue 63;
grant usage on sequence comment_id_low to cackled_app, cackled_system;
create function next_id(p_after bigint) returns bigint language sql volatile as $$
  select greatest(
    ((extract(epoch from clock_timestamp()) * 1000000)::bigint - 1735689600000000) << 12,
    (p_after | 4095) + 1
  ) + nextval('comment_id_low')
$$;

create function iso(t timestamptz) returns text language sql stable parallel safe as $$
  select to_char(t at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

-- A comment as the API gives it to a stranger.
create function comment_json(c comment) returns text language sql stable parallel safe as $$
  select row_to_json(t)::text from (select
    c.id::text as id,
    c.parent_id::text as parent,
    c.root_id::text as root,
    c.depth as depth,
    case when c.status = 1 then (
      select row_to_json(a) from (select c.visitor_id::text as id, c.author_name as name, null::text as avatar) a
    ) end as author,
    case when c.status = 1 then c.html else '' end as html,
    iso(c.created_at) as created,
    iso(c.edited_at) as edited,
    c.up as up,
    c.down as down,
    c.up - c.down as score,
    c.status <> 1 as deleted
  ) t
$$;

-- Mean less one standard deviation of Beta(up + 1, down + 1): few votes move a comment little.
create function vote_rank(p_up int, p_down int) returns real language sql immutable parallel safe as $$
  select (p - sqrt(p * (1 - p) / (p_up + p_down + 3)))::real
  from (select (p_up + 1)::float8 / (p_up + p_down + 2) as p) x
$$;

create function announce(p_site int, p_channel bigint, p_seq bigint, p_type text, p_data text) returns void
language plpgsql as $$
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
end
$$;

-- Whether a visitor may not write (a text with these words, from this address).
create function banned(p_site int, p_visitor bigint, p_ip inet, p_src text) returns boolean
language sql stable as $$
  select exists (
    select from ban b where b.site_id = p_site and (b.until is null or b.until > now()) and (
      (b.kind = 'visitor' and b.value = p_visitor::text) or (b.kind = 'ip' and p_ip <<= b.network)
      or (b.kind = 'word' and strpos(lower(p_src), lower(b.value)) > 0))
  )
$$;

-- Outcomes that are no success are raised with an SQLSTATE of class CK; the last three characters are the HTTP status.
create function post_comment(
  p_site int, p_channel bigint, p_key text, p_url text, p_title text, p_visitor bigint, p_name text, p_ip inet,
  p_idem text, p_parent bigint, p_src text, p_html text, p_level int, p_webhook boolean
) returns table (comment text, seq bigint, replayed boolean, source text) language plpgsql as $$
declare
  ch channel;
  k post_key;
  up comment;
  c comment;
begin
  select * into ch from channel x where x.site_id = p_site and x.id = p_channel for no key update;
  if not found then
    insert into channel (site_id, id, key, url, title) values (p_site, p_channel, p_key, p_url, p_title)
    on conflict do nothing;
    select * into ch from channel x where x.site_id = p_site and x.id = p_channel for no key update;
  end if;
  if p_idem is not null then
    select * into k from post_key x
    where x.site_id = p_site and x.visitor_id = p_visitor and x.channel_id = p_channel and x.key = p_idem;
    if found then
      return query select comment_json(x), k.seq, true, x.src from comment x
        where x.site_id = p_site and x.id = k.comment_id;
      return;
    end if;
  end if;
  if ch.key <> p_key then
    raise exception using errcode = 'CK409', message = 'key';
  elsif ch.locked then
    raise exception using errcode = 'CK403', message = 'locked';
  end if;
  if banned(p_site, p_visitor, p_ip, p_src) then
    raise exception using errcode = 'CK403', message = 'banned';
  end if;
  if p_parent is not null then
    select * into up from comment x
    where x.site_id = p_site and x.id = p_parent and x.channel_id = p_channel and x.status = 1;
    if not found then
      raise exception using errcode = 'CK422', message = 'parent';
    elsif up.depth >= p_level then
      raise exception using errcode = 'CK422', message = 'depth';
    end if;
    update comment x set n_replies = x.n_replies + 1, n_thread = x.n_thread + (x.id = up.root_id)::int
    where x.site_id = p_site and x.id = up.id;
    if up.id <> up.root_id then
      update comment x set n_thread = x.n_thread + 1 where x.site_id = p_site and x.id = up.root_id;
    end if;
  end if;
  c.id := next_id(ch.last_comment_id);
  insert into comment (site_id, id, channel_id, parent_id, root_id, depth, visitor_id, author_name, ip, src, html)
  values (p_site, c.id, p_channel, p_parent, coalesce(up.root_id, c.id), coalesce(up.depth + 1, 0), p_visitor,
          p_name, p_ip, p_src, p_html)
  returning * into c;
  update channel x set
    seq = x.seq + 1,
    n_visible = x.n_visible + 1,
    n_root = x.n_root + (p_parent is null)::int,
    last_comment_id = c.id,
    url = case when p_url = '' then x.url else p_url end,
    title = case when p_title = '' then x.title else p_title end,
    modified_at = now()
  where x.site_id = p_site and x.id = p_channel
  returning * into ch;
  if p_idem is not null then
    insert into post_key (site_id, visitor_id, channel_id, key, comment_id, seq)
    values (p_site, p_visitor, p_channel, p_idem, c.id, ch.seq);
  end if;
  insert into visitor (site_id, id, name, first_ip, last_ip, n_comments)
  values (p_site, p_visitor, p_name, p_ip, p_ip, 1)
  on conflict (site_id, id) do update
  set name = excluded.name, last_ip = excluded.last_ip, n_comments = visitor.n_comments + 1, last_seen = now();
  comment := comment_json(c);
  perform announce(p_site, p_channel, ch.seq, 'comment.created', '{"comment":' || comment || '}');
  if p_webhook then
    perform hook(p_site, p_channel, ch.seq);
  end if;
  seq := ch.seq;
  replayed := false;
  source := p_src;
  return next;
end
$$;

-- The comment with its channel's row locked; raises CK404 where there is none that a visitor can see.
create function lock_comment(p_site int, p_id bigint) returns comment language plpgsql as $$
declare
  c comment;
begin
  perform from channel x where x.site_id = p_site and x.id = (
    select y.channel_id from comment y where y.site_id = p_site and y.id = p_id
  ) for no key update;
  select * into c from comment x where x.site_id = p_site and x.id = p_id and x.status = 1;
  if not found then
    raise exception using errcode = 'CK404', message = 'comment';
  end if;
  return c;
end
$$;

create function bump(p_site int, p_channel bigint, p_visible int, p_root int) returns bigint language sql as $$
  update channel x set seq = x.seq + 1, n_visible = x.n_visible + p_visible, n_root = x.n_root + p_root,
    modified_at = now()
  where x.site_id = p_site and x.id = p_channel
  returning x.seq
$$;

create function edit_comment(p_site int, p_id bigint, p_visitor bigint, p_src text, p_html text, p_window int)
returns table (comment text, seq bigint, channel bigint) language plpgsql as $$
declare
  c comment := lock_comment(p_site, p_id);
begin
  if c.visitor_id <> p_visitor then
    raise exception using errcode = 'CK403', message = 'author';
  elsif c.created_at < now() - make_interval(secs => p_window) then
    raise exception using errcode = 'CK409', message = 'window';
  elsif banned(p_site, p_visitor, null, p_src) then
    raise exception using errcode = 'CK403', message = 'banned';
  end if;
  update comment x set src = p_src, html = p_html, edited_at = now(), modified_at = now()
  where x.site_id = p_site and x.id = p_id returning * into c;
  seq := bump(p_site, c.channel_id, 0, 0);
  channel := c.channel_id;
  comment := comment_json(c);
  perform announce(p_site, c.channel_id, seq, 'comment.updated', '{"comment":' || comment || '}');
  return next;
end
$$;

-- A comment with replies leaves a tombstone; one without goes, and with it the tombstones above that it kept alive.
-- The text is gone from the row at once. p_visitor null: a moderator deletes.
create function delete_comment(p_site int, p_id bigint, p_visitor bigint)
returns table (seq bigint, channel bigint) language plpgsql as $$
declare
  c comment := lock_comment(p_site, p_id);
  up comment;
  gone bigint[] := '{}';
  roots int := 0;
begin
  if c.visitor_id <> p_visitor then
    raise exception using errcode = 'CK403', message = 'author';
  end if;
  update comment x set status = 4, shown = (x.n_replies > 0), src = '', html = '', modified_at = now()
  where x.site_id = p_site and x.id = p_id returning * into c;
  up := c;
  while not up.shown loop
    if up.parent_id is null then
      roots := -1;
      exit;
    end if;
    update comment x set n_thread = x.n_thread - 1 where x.site_id = p_site and x.id = up.root_id;
    update comment x set n_replies = x.n_replies - 1, shown = (x.status = 1 or x.n_replies > 1)
    where x.site_id = p_site and x.id = up.parent_id returning * into up;
    if not up.shown then
      gone := gone || up.id;
    end if;
  end loop;
  seq := bump(p_site, c.channel_id, -1, roots);
  channel := c.channel_id;
  perform announce(p_site, channel, seq, 'comment.deleted', format(
    '{"id":"%s","tombstone":%s,"removed":%s}', p_id, c.shown::text,
    (select coalesce(json_agg(g::text), '[]') from unnest(gone) g)));
  return next;
end
$$;

create function vote_comment(p_site int, p_id bigint, p_visitor bigint, p_value int)
returns table (up int, down int, seq bigint, channel bigint) language plpgsql as $$
declare
  c comment := lock_comment(p_site, p_id);
  old int;
begin
  if banned(p_site, p_visitor, null, '') then
    raise exception using errcode = 'CK403', message = 'banned';
  end if;
  select v.value into old from vote v
  where v.site_id = p_site and v.channel_id = c.channel_id and v.visitor_id = p_visitor and v.comment_id = p_id;
  old := coalesce(old, 0);
  channel := c.channel_id;
  if old = p_value then
    select x.seq into seq from channel x where x.site_id = p_site and x.id = c.channel_id;
    up := c.up;
    down := c.down;
    return next;
    return;
  end if;
  if p_value = 0 then
    delete from vote v
    where v.site_id = p_site and v.channel_id = c.channel_id and v.visitor_id = p_visitor and v.comment_id = p_id;
  else
    insert into vote (site_id, channel_id, visitor_id, comment_id, value)
    values (p_site, c.channel_id, p_visitor, p_id, p_value)
    on conflict (site_id, channel_id, visitor_id, comment_id) do update set value = excluded.value;
  end if;
  up := c.up + (p_value = 1)::int - (old = 1)::int;
  down := c.down + (p_value = -1)::int - (old = -1)::int;
  update comment x set up = vote_comment.up, down = vote_comment.down,
    rank = vote_rank(vote_comment.up, vote_comment.down)
  where x.site_id = p_site and x.id = p_id;
  seq := bump(p_site, c.channel_id, 0, 0);
  perform announce(p_site, channel, seq, 'comment.voted', format(
    '{"id":"%s","up":%s,"down":%s,"score":%s}', p_id, up, down, up - down));
  return next;
end
$$;

create function flag_comment(p_site int, p_id bigint, p_visitor bigint, p_reason text) returns int
language plpgsql as $$
declare
  n int;
begin
  perform from comment x where x.site_id = p_site and x.id = p_id and x.status = 1 for update;
  if not found then
    raise exception using errcode = 'CK404', message = 'comment';
  end if;
  insert into flag (site_id, comment_id, visitor_id, reason) values (p_site, p_id, p_visitor, p_reason)
  on conflict do nothing;
  if found then
    update comment x set n_flags = x.n_flags + 1 where x.site_id = p_site and x.id = p_id returning x.n_flags into n;
  else
    select x.n_flags into n from comment x where x.site_id = p_site and x.id = p_id;
  end if;
  return n;
end
$$;

-- Open or close a conversation; announced only where it changes something. Gives null where there is none.
create function lock_channel(p_site int, p_channel bigint, p_locked boolean) returns bigint language plpgsql as $$
declare
  ch channel;
begin
  select * into ch from channel x where x.site_id = p_site and x.id = p_channel for no key update;
  if not found or ch.locked = p_locked then
    return ch.seq;
  end if;
  update channel x set locked = p_locked where x.site_id = p_site and x.id = p_channel;
  ch.seq := bump(p_site, p_channel, 0, 0);
  perform announce(p_site, p_channel, ch.seq, 'channel.updated',
                   format('{"comments":%s,"locked":%s}', ch.n_visible, p_locked::text));
  return ch.seq;
end
$$;

revoke execute on function announce(int, bigint, bigint, text, text) from public;
grant execute on function announce(int, bigint, bigint, text, text) to cackled_app, cackled_system;
