-- Forgetting, following who signs in, and the recount.
-- cackled: revision 2

-- As `cackled.domain.erasure.Erasable` wants it. Of an open poll the ballot goes; a result that was told stays, with
-- nothing that leads to the voter. Options that the visitor wrote lose their words.
create or replace function erase_ballots(p_site int, p_visitor bigint, p_most int)
returns table (channel bigint, seq bigint) language plpgsql as $$
declare
  q record;
  b ballot;
  p poll;
  shown boolean;
  done int := 0;
begin
  perform erase_alone(p_site);
  for q in select x.poll_id from ballot x where x.site_id = p_site and x.visitor_id = p_visitor
      union select x.poll_id from poll_option x where x.site_id = p_site and x.proposer_id = p_visitor
      order by 1 limit p_most loop
    p := lock_poll(p_site, q.poll_id);
    shown := false;
    for b in select * from ballot x
        where x.site_id = p_site and x.poll_id = q.poll_id and x.visitor_id = p_visitor loop
      if poll_state(p) = 'closed' then
        update ballot x set voter = 'x' || gen_random_uuid(), visitor_id = null, network = null, origin = ''
        where x.site_id = p_site and x.poll_id = q.poll_id and x.voter = b.voter;
      else
        delete from ballot x where x.site_id = p_site and x.poll_id = q.poll_id and x.voter = b.voter;
        if b.state = 1 then
          update poll_option x set votes = x.votes - 1 where x.site_id = p_site and x.poll_id = q.poll_id
            and x.number = any(counted_options(p.kind, b.options));
          update poll x set voters = x.voters - 1, voted_at = now()
          where x.site_id = p_site and x.id = q.poll_id returning * into p;
          shown := true;
        end if;
      end if;
    end loop;
    channel := p.channel_id;
    if exists (select from poll_option x where x.site_id = p_site and x.poll_id = q.poll_id
               and x.proposer_id = p_visitor) then
      delete from poll_option x where x.site_id = p_site and x.poll_id = q.poll_id and x.proposer_id = p_visitor
        and x.state <> 1;
      update poll_option x set text = '', proposer_id = null, item = null, marks = ''
      where x.site_id = p_site and x.poll_id = q.poll_id and x.proposer_id = p_visitor;
      if found then
        update poll x set version = x.version + 1 where x.site_id = p_site and x.id = q.poll_id returning * into p;
        seq := advance_seq(p_site, channel);
        perform announce(p_site, channel, seq, 'poll.updated', format('{"id":"%s","version":%s}', p.id, p.version),
                         false);
        return next;
      end if;
    end if;
    if shown then
      seq := announce_votes(p, true, false);
      return next;
    end if;
    done := done + 1;
  end loop;
  if done >= p_most then
    channel := null;
    seq := null;
    return next;
  end if;
end
$$;

-- As `cackled.domain.people.Authored` wants it: the ballots of a guest are those of the person that they turned out to
-- be. Where both have voted, the person's stands and the guest's goes, in a closed poll too: nobody counts twice.
create or replace function carry_ballots(p_site int, p_person bigint, p_guest bigint, p_most int)
returns table (channel bigint, seq bigint) language plpgsql as $$
declare
  b ballot;
  p poll;
  done int := 0;
begin
  perform erase_alone(p_site);
  update poll_option x set proposer_id = p_person where x.site_id = p_site and x.proposer_id = p_guest;
  for b in select * from ballot x where x.site_id = p_site and x.visitor_id = p_guest order by x.poll_id
      limit p_most loop
    p := lock_poll(p_site, b.poll_id);
    if exists (select from ballot x where x.site_id = p_site and x.poll_id = b.poll_id and x.visitor_id = p_person) then
      delete from ballot x where x.site_id = p_site and x.poll_id = b.poll_id and x.voter = b.voter;
      if b.state = 1 then
        update poll_option x set votes = x.votes - 1 where x.site_id = p_site and x.poll_id = b.poll_id
          and x.number = any(counted_options(p.kind, b.options));
        update poll x set voters = x.voters - 1, voted_at = now()
        where x.site_id = p_site and x.id = b.poll_id returning * into p;
        channel := p.channel_id;
        seq := announce_votes(p, true, false);
        return next;
      end if;
    else
      update ballot x set visitor_id = p_person,
        voter = case when x.voter = p_guest::text then p_person::text else x.voter end
      where x.site_id = p_site and x.poll_id = b.poll_id and x.voter = b.voter;
    end if;
    done := done + 1;
  end loop;
  if done >= p_most then
    channel := null;
    seq := null;
    return next;
  end if;
end
$$;

-- Compare the counts of one poll that was voted on since its last recount with its ballots; they are put right, and
-- told, where they differ. checked: whether there was one.
create or replace function recount_poll() returns table (checked int, wrong int) language plpgsql as $$
declare
  q record;
  p poll;
  n int;
begin
  checked := 0;
  wrong := 0;
  select x.site_id, x.id into q from poll x
  where x.voted_at is not null and x.voted_at > coalesce(x.recounted_at, '-infinity') order by x.voted_at limit 1;
  if found then
    checked := 1;
    p := lock_poll(q.site_id, q.id);
    with named as (
      select o.number, count(*)::int as votes from ballot x, unnest(counted_options(p.kind, x.options)) o (number)
      where x.site_id = q.site_id and x.poll_id = q.id and x.state = 1 group by 1
    ), mended as (
      update poll_option x set votes = coalesce(c.votes, 0)
      from poll_option y left join named c on c.number = y.number
      where y.site_id = q.site_id and y.poll_id = q.id and x.site_id = y.site_id and x.poll_id = y.poll_id
        and x.number = y.number and x.votes <> coalesce(c.votes, 0) returning 1
    )
    select count(*) into n from mended;
    update poll x set recounted_at = now(),
      voters = (select count(*) from ballot b where b.site_id = q.site_id and b.poll_id = q.id and b.state = 1)
    where x.site_id = q.site_id and x.id = q.id and (n > 0 or x.voters <> (
      select count(*) from ballot b where b.site_id = q.site_id and b.poll_id = q.id and b.state = 1));
    if found then
      wrong := 1;
      select * into p from poll x where x.site_id = q.site_id and x.id = q.id;
      perform announce_votes(p, true, false);
    else
      update poll x set recounted_at = now() where x.site_id = q.site_id and x.id = q.id;
    end if;
  end if;
  return next;
end
$$;
