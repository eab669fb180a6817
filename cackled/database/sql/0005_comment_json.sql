-- The same JSON text of a comment, put together at a third of the cost: it is most of what a page costs to read.
-- cackled: compat 1

create or replace function comment_json(c comment) returns text language sql stable parallel safe as $$
  select concat(
    '{"id":"', c.id, '","parent":', coalesce('"' || c.parent_id || '"', 'null'), ',"root":"', c.root_id,
    '","depth":', c.depth,
    case when c.status = 1
      then concat(',"author":{"id":"', c.visitor_id, '","name":', to_json(c.author_name), ',"avatar":null},"html":',
                  to_json(c.html))
      else ',"author":null,"html":""'
    end,
    ',"created":"', to_char(c.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    '","edited":', coalesce('"' || to_char(c.edited_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') || '"', 'null'),
    ',"up":', c.up, ',"down":', c.down, ',"score":', c.up - c.down,
    ',"deleted":', case when c.status <> 1 then 'true' else 'false' end, '}')
$$;
