-- Forgetting a visitor: what no product knows of. What a product keeps goes before that, by its own functions.
-- cackled: revision 5

-- The only one that locks more than one channel of a site: one at a time. Called first in each transaction that does.
create or replace function erase_alone(p_site int) returns void language sql as $$
  select pg_advisory_xact_lock(1667329381, p_site)
$$;

-- p_channels: where the visitor wrote. p_subjects and p_scrubbed: what events hold words of, and what is left of each.
create or replace function forget_visitor(
  p_site int, p_visitor bigint, p_channels bigint[], p_subjects text[], p_scrubbed text[]
) returns void language plpgsql as $$
begin
  perform erase_alone(p_site);
  delete from block x where x.site_id = p_site and p_visitor in (x.visitor_id, x.author_id);
  delete from visitor x where x.site_id = p_site and x.id = p_visitor;
  perform forget_person(p_site, p_visitor);
  perform forget_imported(p_site, p_visitor);
  delete from outbox x where x.site_id = p_site
    and strpos(x.body, format('"author":{"id":"%s"', p_visitor)) > 0;
  for i in 1 .. cardinality(p_subjects) loop
    perform scrub_events(p_site, p_visitor, p_channels, p_subjects[i], p_scrubbed[i]::json);
  end loop;
end
$$;
