-- Polls of our own exports: written in batches, counted and told of when they are whole, taken back as a whole.
-- cackled: revision 1

-- Which numbers polls of a source have here (fresh: they get it now). p_numbers: what each had where it comes from, 0 for
-- none that holds here. A poll that is here itself, with its number and question, stays as it is: it is not given.
create or replace function place_imported_polls(
  p_site int, p_source text, p_ids text[], p_numbers bigint[], p_questions text[]
) returns table (id text, number bigint, fresh boolean) language plpgsql as $$
declare
  given int;
begin
  for given in 1 .. cardinality(p_ids) loop
    id := p_ids[given];
    fresh := false;
    select i.item_id into number from import_item i where i.site_id = p_site and i.product = 'polls'
      and i.source = p_source and i.external_id = p_ids[given];
    if not found then
      continue when exists (select from poll p where p.site_id = p_site and p.id = p_numbers[given]
        and p.question = p_questions[given]);
      fresh := true;
      -- Numbers that this server never gave are none of its: another poll is to get them.
      if p_numbers[given] > 0 and p_numbers[given] <= (select s.last_value from poll_id_seq s)
          and not exists (select from poll p where p.site_id = p_site and p.id = p_numbers[given]) then
        number := p_numbers[given];
      else
        number := nextval('poll_id_seq');
      end if;
    end if;
    return next;
  end loop;
end
$$;

-- Write a batch of a run: polls and ballots as `cackled.products.polls.importing.writer` makes them. What is there stays
-- as it is. Ballots of somebody who was forgotten come only where the result was told, and lead to nobody. Gives how many
-- were added, and how many were not.
create or replace function import_polls(p_site int, p_run bigint, p_source text, p_items text)
returns table (added int, present int) language plpgsql as $$
declare
  x record;
  more int;
begin
  perform erase_alone(p_site);
  added := 0;
  for x in select * from json_to_recordset(p_items::json) g (
      id text, c bigint, t float8, b boolean, number bigint, fresh boolean, channel bigint, key text, kind text,
      question text, description text, explanation text, least int, most int, results text, identity text, quota int,
      burst int, changeable boolean, voters_shown boolean, write_in boolean, opens float8, closes float8, closed float8,
      removed int, version int, made_by text, options json)
      where g.b is null and g.fresh order by g.channel loop
    insert into import_item (site_id, product, source, external_id, item_id, channel_id, run_id)
    values (p_site, 'polls', p_source, x.id, x.number, x.c, p_run) on conflict do nothing;
    continue when not found;
    perform open_channel(p_site, 'polls', x.channel, x.key, '', '');
    insert into poll (
      site_id, id, channel_id, kind, question, description, explanation, least, most, results, identity, quota, burst,
      changeable, voters_shown, write_in, opens_at, closes_at, closed_at, removed, version, created_by, created_at
    ) values (
      p_site, x.number, x.channel, x.kind, x.question, x.description, x.explanation, x.least, x.most, x.results,
      x.identity, x.quota, x.burst, x.changeable, x.voters_shown, x.write_in, to_timestamp(x.opens),
      to_timestamp(x.closes), to_timestamp(x.closed), x.removed, x.version, x.made_by, to_timestamp(x.t));
    insert into poll_option (
      site_id, poll_id, number, place, text, image, video, value, correct, state, proposer_id, item, status, seen, version,
      marks, created_at
    ) select p_site, x.number, o.number, o.place, case when e.visitor_id is null then o.text else '' end,
      -- A picture of ours that is gone, or shown elsewhere, does not come back.
      case when poll_picture(o.image) is null or exists (
        select from media m where m.site_id = p_site and m.id = poll_picture(o.image) and m.account_id is not null
          and m.item in ('', 'poll:' || x.number)) then o.image else '' end, o.video,
      o.value, o.correct, o.state, case when e.visitor_id is null then o.proposer end,
      case when not exists (select from poll_option y where y.site_id = p_site and y.item = o.item) then o.item end,
      o.status, o.seen, o.turn, o.marks, coalesce(to_timestamp(o.created), to_timestamp(x.t))
    from json_to_recordset(x.options) o (number int, place int, text text, image text, video text, value int,
      correct boolean, state int, proposer bigint, item bigint, status int, seen boolean, turn int, marks text,
      created float8)
    left join erasure e on e.site_id = p_site and e.visitor_id = o.proposer
    where e.visitor_id is null or o.state = 1
    order by o.place, o.number;
    -- Pages are told when it opens and closes.
    insert into outbox (site_id, kind, body, next_at)
    select distinct p_site, 'poll', format('{"poll":"%s"}', x.number), to_timestamp(t.at)
    from unnest(array[x.opens, x.closes]) t (at) where to_timestamp(t.at) > now() and x.closed is null;
    added := added + 1;
  end loop;
  with given as (
    select g.*, i.item_id as poll, p.kind, poll_state(p) as at, e.visitor_id is not null as gone
    from json_to_recordset(p_items::json) g (
      of text, t float8, b boolean, voter text, visitor bigint, origin text, options json, state int, modified float8)
    join import_item i on i.site_id = p_site and i.product = 'polls' and i.source = p_source and i.external_id = g.of
    join poll p on p.site_id = p_site and p.id = i.item_id
    left join erasure e on e.site_id = p_site and e.visitor_id = g.visitor
    where g.b
  ), chosen as (
    select g.*, array(select value::int from json_array_elements_text(g.options) with ordinality v (value, n) order by n)
      as numbers
    from given g where not g.gone or g.at = 'closed'
  ), made as (
    insert into ballot (site_id, poll_id, voter, visitor_id, options, state, origin, created_at, modified_at)
    select p_site, c.poll, case when c.gone then 'x' || encode(sha256(convert_to(c.voter, 'utf8')), 'hex') else c.voter end,
      case when not c.gone then c.visitor end, c.numbers, c.state, case when c.gone then '' else left(c.origin, 200) end,
      to_timestamp(c.t), coalesce(to_timestamp(c.modified), to_timestamp(c.t))
    from chosen c where not exists (
      select from unnest(c.numbers) n where not exists (
        select from poll_option o where o.site_id = p_site and o.poll_id = c.poll and o.number = n))
    order by c.poll, c.voter
    on conflict do nothing returning 1
  )
  select count(*)::int into more from made;
  added := added + more;
  select count(*)::int - added into present from json_to_recordset(p_items::json) g (id text);
  for x in select g.c, g.d, g.n from json_to_recordset(p_items::json) g (c bigint, d int, n bigint)
      order by g.c desc, g.d desc, g.n desc limit 1 loop
    perform import_reached(p_site, p_run, added, present, x.c, x.d, x.n);
  end loop;
  return next;
end
$$;

-- Count the ballots of polls, named by the channels of their numbers in the file, and tell of them.
create or replace function settle_polls(p_site int, p_channels bigint[])
returns table (channel bigint, seq bigint) language plpgsql as $$
declare
  whose bigint;
  p poll;
begin
  perform erase_alone(p_site);
  for whose in select i.item_id from import_item i where i.site_id = p_site and i.product = 'polls'
      and i.channel_id = any(p_channels) order by i.item_id loop
    p := lock_poll(p_site, whose);
    update poll_option o set votes = (
      select count(*) from ballot b where b.site_id = p_site and b.poll_id = whose and b.state = 1
        and o.number = any(counted_options(p.kind, b.options)))
    where o.site_id = p_site and o.poll_id = whose;
    update poll x set voted_at = now(), voters = (
      select count(*) from ballot b where b.site_id = p_site and b.poll_id = whose and b.state = 1)
    where x.site_id = p_site and x.id = whose returning * into p;
    channel := p.channel_id;
    seq := advance_seq(p_site, channel);
    perform announce(p_site, channel, seq, 'poll.updated', format('{"id":"%s","version":%s}', p.id, p.version), false);
    return next;
  end loop;
end
$$;

-- Take about p_most polls of a run back, with all their ballots; a row of nulls as long as there are more.
create or replace function undo_import_of_polls(p_site int, p_run bigint, p_most int)
returns table (channel bigint, seq bigint) language plpgsql as $$
declare
  whose bigint;
  p poll;
  done int := 0;
begin
  perform erase_alone(p_site);
  for whose in select i.item_id from import_item i where i.site_id = p_site and i.run_id = p_run and i.product = 'polls'
      order by i.item_id limit p_most loop
    done := done + 1;
    delete from import_item i where i.site_id = p_site and i.product = 'polls' and i.item_id = whose;
    continue when not exists (select from poll x where x.site_id = p_site and x.id = whose);
    p := lock_poll(p_site, whose);
    delete from ballot x where x.site_id = p_site and x.poll_id = whose;
    delete from poll_network x where x.site_id = p_site and x.poll_id = whose;
    delete from poll_option x where x.site_id = p_site and x.poll_id = whose;
    delete from poll x where x.site_id = p_site and x.id = whose;
    channel := p.channel_id;
    seq := advance_seq(p_site, channel);
    perform announce(p_site, channel, seq, 'poll.updated', format('{"id":"%s","version":%s}', p.id, p.version + 1), false);
    return next;
  end loop;
  if done >= p_most then
    channel := null;
    seq := null;
    return next;
  end if;
end
$$;
