-- Imports: their authors, and how far each is. What a product stores goes by its own functions.
-- cackled: revision 4

-- Note the authors of a batch, each with what is known of them; one who is known keeps the visitor they are by now.
-- Somebody who showed already that the address of mail is theirs gets what they wrote.
create or replace function import_authors(p_site int, p_run bigint, p_source text, p_authors json) returns void
language sql set plan_cache_mode = force_custom_plan set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
  with given as (
    select distinct on (x.author) x.* from json_to_recordset(p_authors)
      x (author text, visitor bigint, name text, email text, url text, avatar text)
    where x.author <> '' order by x.author
  ), made as (
    insert into import_author (site_id, source, author, visitor_id, name, email, url, avatar, run_id)
    select p_site, p_source, g.author, g.visitor, coalesce(g.name, ''), coalesce(g.email, ''), coalesce(g.url, ''),
           coalesce(g.avatar, ''), p_run
    from given g
    where (select e.visitor_id from erasure e where e.site_id = p_site and e.visitor_id = g.visitor) is null
    on conflict (site_id, source, author) do nothing
    returning visitor_id, email
  )
  insert into outbox (site_id, kind, body, next_at)
  select p_site, 'people', concat('{"visitor":"', p.visitor_id, '","from":"', m.visitor_id, '"}'),
         now() + interval '10 seconds'
  from made m join person p on p.site_id = p_site and lower(p.email) = lower(m.email) and p.email_verified
  where m.email <> '' and p.visitor_id <> m.visitor_id
$$;

-- Whoever shows that an address of mail is theirs gets what was imported under it.
create or replace function claim_imported() returns trigger language plpgsql as $$
begin
  if new.email_verified and new.email <> '' then
    insert into outbox (site_id, kind, body)
    select distinct new.site_id, 'people', concat('{"visitor":"', new.visitor_id, '","from":"', a.visitor_id, '"}')
    from import_author a
    where a.site_id = new.site_id and lower(a.email) = lower(new.email) and a.visitor_id <> new.visitor_id;
  end if;
  return null;
end
$$;
do $$
begin
  if not exists (select from pg_trigger where tgrelid = 'person'::regclass and tgname = 'claim_imported') then
    create trigger claim_imported after insert or update of email, email_verified on person
      for each row execute function claim_imported();
  end if;
end
$$;

-- How far a run is.
create or replace function import_reached(
  p_site int, p_run bigint, p_added int, p_present int, p_channel bigint, p_depth int, p_number bigint
) returns void language sql as $$
  update import_run r set added = r.added + p_added, present = r.present + p_present, at_channel = p_channel,
    at_depth = p_depth, at_number = p_number, beat_at = now()
  where r.site_id = p_site and r.id = p_run
$$;

-- Forget what is known of imported authors who are this visitor.
create or replace function forget_imported(p_site int, p_visitor bigint) returns void language sql as $$
  delete from import_picture p where p.site_id = p_site and p.author_id = p_visitor;
  delete from import_author a where a.site_id = p_site and a.visitor_id = p_visitor
$$;
