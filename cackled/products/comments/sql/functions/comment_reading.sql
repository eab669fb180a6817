-- A comment as it is given out, and its place among others.
-- cackled: revision 8

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
    case when c.media <> '' and c.status = 1 then ',"media":' || c.media end,
    case when c.links <> '' and c.status = 1 then ',"links":' || c.links end,
    case when c.reactions is not null and c.status = 1 then ',"reactions":' || c.reactions::text end,
    case when c.featured and c.status = 1 then ',"featured":true' end,
    case when c.locked and c.status = 1 then ',"locked":true' end)
$$;

create or replace function comment_json(c comment) returns text language sql stable parallel safe as $$
  select comment_open(c) || '}'
$$;

-- The same as its author sees it, who is told where it waits; where nobody else sees it they are not. Its pictures are at
-- signed addresses where not everybody may see them.
create or replace function own_comment_json(c comment) returns text language plpgsql stable parallel safe as $$
declare
  was int := c.status;
begin
  if was = 4 or was = 3 and not c.shadow then
    return comment_json(c);
  end if;
  c.status := 1;
  if was in (0, 2) then
    return concat(left(sign_media(comment_json(c)), -1), ',"state":"pending"}');
  end if;
  return case when was = 1 then comment_json(c) else sign_media(comment_json(c)) end;
end
$$;

-- The same with a text of its author's that waits for a moderator.
create or replace function revised_comment_json(c comment) returns text language plpgsql stable as $$
declare
  r comment_revision;
begin
  select * into r from comment_revision x where x.site_id = c.site_id and x.comment_id = c.id;
  c.html := r.html;
  c.media := coalesce(sign_media(r.media), c.media);
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

-- The same with a vote and reactions that are counted for p_visitor alone.
create or replace function seen_comment_json(c comment, p_visitor bigint) returns text language plpgsql stable as $$
declare
  mine int;
begin
  select x.value into mine from vote x where x.site_id = c.site_id and x.channel_id = c.channel_id
    and x.visitor_id = p_visitor and x.comment_id = c.id and not x.counted;
  c.reactions := seen_reactions(c, p_visitor);
  return voted_comment_json(c, coalesce(mine, 0));
end
$$;

-- What releases before ranked by: mean less one standard deviation of Beta(up + 1, down + 1). Whatever they write, the
-- trigger below puts our own in its place.
create or replace function vote_rank(p_up int, p_down int) returns real language sql immutable parallel safe as $$
  select (p - sqrt(p * (1 - p) / (p_up + p_down + 3)))::real
  from (select (p_up + 1)::float8 / (p_up + p_down + 2) as p) x
$$;

-- The place in the order "best": the lower end of Wilson's interval (one standard deviation) for the share of votes up,
-- with one more vote each way, so that few votes move a comment little; and a hundredth for each day that it is younger.
create or replace function comment_rank(p_up int, p_down int, p_created timestamptz) returns real
language plpgsql immutable parallel safe as $$
declare
  n float8 := p_up + p_down + 2;
  p float8 := (p_up + 1)::float8 / (p_up + p_down + 2);
begin
  return ((p + 0.5 / n - sqrt(p * (1 - p) / n + 0.25 / (n * n))) / (1 + 1 / n)
          + 0.01 * (extract(epoch from p_created) - 1767225600) / 86400)::real;
end
$$;

create or replace function rank_comment() returns trigger language plpgsql as $$
begin
  new.rank := comment_rank(new.up, new.down, new.created_at);
  return new;
end
$$;
do $$
begin
  if not exists (select from pg_trigger where tgrelid = 'comment'::regclass and tgname = 'rank') then
    create trigger rank before insert or update of up, down, created_at on comment
      for each row execute function rank_comment();
  end if;
end
$$;
