-- A comment as it is given out, and its place among others.
-- cackled: revision 4

-- A comment as the API gives it to a stranger. Put together by hand, at a third of the cost of row_to_json: it is most of
-- what a page costs to read. Without its last brace: pages go on with the replies.
create or replace function comment_open(c comment) returns text language sql stable parallel safe as $$
  select concat(
    '{"id":"', c.id, '","parent":', coalesce('"' || c.parent_id || '"', 'null'), ',"root":"', c.root_id,
    '","depth":', c.depth,
    case when c.status = 1
      then concat(',"author":{"id":"', c.visitor_id, '","name":', to_json(c.author_name),
                  case when c.author_extra = '' then ',"avatar":null' else c.author_extra end, '},"html":',
                  to_json(c.html))
      else ',"author":null,"html":""'
    end,
    ',"created":"', to_char(c.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    '","edited":', coalesce('"' || to_char(c.edited_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') || '"', 'null'),
    ',"up":', c.up, ',"down":', c.down, ',"score":', c.up - c.down,
    ',"deleted":', case when c.status <> 1 then 'true' else 'false' end,
    case when c.featured and c.status = 1 then ',"featured":true' end,
    case when c.locked and c.status = 1 then ',"locked":true' end)
$$;

create or replace function comment_json(c comment) returns text language sql stable parallel safe as $$
  select comment_open(c) || '}'
$$;

-- The same as its author sees it, who is told where it waits; where nobody else sees it they are not.
create or replace function own_comment_json(c comment) returns text language plpgsql stable parallel safe as $$
declare
  was int := c.status;
begin
  if was = 4 or was = 3 and not c.shadow then
    return comment_json(c);
  end if;
  c.status := 1;
  if was in (0, 2) then
    return concat(left(comment_json(c), -1), ',"state":"pending"}');
  end if;
  return comment_json(c);
end
$$;

-- The same with a text of its author's that waits for a moderator.
create or replace function revised_comment_json(c comment) returns text language plpgsql stable as $$
declare
  r comment_revision;
begin
  select * into r from comment_revision x where x.site_id = c.site_id and x.comment_id = c.id;
  c.html := r.html;
  c.edited_at := r.created_at;
  if exists (select from comment_mark m where m.site_id = c.site_id and m.comment_id = c.id and m.mark = 'shadow') then
    return comment_json(c);
  end if;
  return concat(left(comment_json(c), -1), ',"state":"pending"}');
end
$$;

-- The same with a vote that is counted for its voter alone.
create or replace function voted_comment_json(c comment, p_value int) returns text language plpgsql stable as $$
begin
  c.up := c.up + (p_value = 1)::int;
  c.down := c.down + (p_value = -1)::int;
  return comment_json(c);
end
$$;

-- Mean less one standard deviation of Beta(up + 1, down + 1): few votes move a comment little.
create or replace function vote_rank(p_up int, p_down int) returns real language sql immutable parallel safe as $$
  select (p - sqrt(p * (1 - p) / (p_up + p_down + 3)))::real
  from (select (p_up + 1)::float8 / (p_up + p_down + 2) as p) x
$$;
