-- Previews of links that comments show.
-- cackled: revision 1

-- The numbers of the pictures that previews show.
create or replace function link_pictures(p_links text) returns setof text language sql immutable parallel safe as $$
  select substr(l -> 'picture' ->> 'id', strpos(l -> 'picture' ->> 'id', '-') + 1)
  from json_array_elements(nullif(p_links, '')::json) l where l -> 'picture' ->> 'id' is not null
$$;

-- Previews are of the links of one text: another text has none until they are looked for again.
create or replace function forget_links() returns trigger language plpgsql as $$
begin
  new.links := '';
  return new;
end
$$;
create or replace trigger links_forgotten before update of html on comment
for each row when (old.links <> '' and old.html is distinct from new.html) execute function forget_links();

-- Show p_links with a comment whose text is still the one that they were found in (its MD5), and which everybody sees; every
-- open page is told. Gives nothing where that is not so (any more). Their pictures belong to the comment from here on.
create or replace function set_comment_links(p_site int, p_id bigint, p_text text, p_links text)
returns table (channel bigint, seq bigint) language plpgsql as $$
declare
  c comment;
begin
  perform from channel x where x.site_id = p_site and x.id = (
    select y.channel_id from comment y where y.site_id = p_site and y.id = p_id
  ) for no key update;
  select * into c from comment x where x.site_id = p_site and x.id = p_id and x.status = 1 and not x.shadow
    and x.links = '' and md5(x.html) = p_text;
  if not found then
    return;
  end if;
  update media m set item = 'comment:' || p_id, shown = true
  where m.site_id = p_site and m.id in (select link_pictures(p_links)) and m.item = ''
    and m.visitor_id is null and m.account_id is null;
  update comment x set links = p_links, modified_at = now()
  where x.site_id = p_site and x.id = p_id returning * into c;
  channel := c.channel_id;
  seq := advance_seq(p_site, channel);
  perform announce(p_site, channel, seq, 'comment.updated', concat(
    '{"comment":', comment_json(c), ',"comments":', visible_comments(p_site, channel), '}'), false);
  return next;
end
$$;

-- Have the previews of what was written between two transactions looked for, on the sites that show some.
create or replace function queue_links(p_since xid8, p_upto xid8, p_sites int[]) returns void language sql as $$
  insert into outbox (site_id, kind, body)
  select distinct c.site_id, 'comment-links', concat('{"comment":"', c.id, '"}')
  from event e join comment c on c.site_id = e.site_id
    and c.id = substring(e.data from '^{"comment":{"id":"([0-9]+)"')::bigint
  where e.xid > p_since and e.xid <= p_upto and e.type in ('comment.created', 'comment.updated')
    and e.site_id = any(p_sites) and c.status = 1 and c.shown and not c.shadow and c.links = ''
    and c.html like '%<a href="http%' and c.created_at > now() - interval '30 days'
$$;
