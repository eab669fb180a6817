-- The states of reviews, and what is counted of them. Every change of a review goes through `count_reviews`.
-- cackled: revision 4

-- Some reviews of one site were as p_was says and are as p_now says: the summaries of their pages follow. Called in the
-- transaction of the change, with the rows of their channels locked. with_media: those that show a photo, not a link to one.
-- own_*: what search engines are told of, without what was imported and what the site's own staff wrote.
create or replace function count_reviews(p_was review[], p_now review[]) returns void language plpgsql as $$
begin
  with x as (
    select r.*, -1 as w from unnest(p_was) r union all select r.*, 1 from unnest(p_now) r
  ), y as (
    select *, w * (status = 1 and kind = 0)::int as v, w * (status = 1 and kind = 0 and star is not null)::int as c,
      coalesce(star, 0)::int as s
    from x
  )
  insert into review_summary as t (site_id, channel_id, n, total, hist, recommend, recommend_of, verified, with_media,
                                   own_n, own_total, unrated, questions, pending, last_id)
  select site_id, channel_id, sum(c), sum(c * s),
    array[sum(c * (s = 1)::int), sum(c * (s = 2)::int), sum(c * (s = 3)::int), sum(c * (s = 4)::int),
          sum(c * (s = 5)::int)],
    sum(v * coalesce(recommend, false)::int), sum(v * (recommend is not null)::int),
    sum(v * (verified <> '')::int), sum(v * (media @? '$[*].url ? (@ != "")')::int),
    sum(c * (source = '' and not staff)::int), sum(c * s * (source = '' and not staff)::int), sum(v * (star is null)::int),
    sum(w * (status = 1 and kind = 1)::int), sum(w * (status = 0)::int), max(id)
  from y group by 1, 2 order by 1, 2
  on conflict (site_id, channel_id) do update set n = t.n + excluded.n, total = t.total + excluded.total,
    hist = array[t.hist[1] + excluded.hist[1], t.hist[2] + excluded.hist[2], t.hist[3] + excluded.hist[3],
                 t.hist[4] + excluded.hist[4], t.hist[5] + excluded.hist[5]],
    recommend = t.recommend + excluded.recommend, recommend_of = t.recommend_of + excluded.recommend_of,
    verified = t.verified + excluded.verified, with_media = t.with_media + excluded.with_media,
    own_n = t.own_n + excluded.own_n, own_total = t.own_total + excluded.own_total,
    unrated = t.unrated + excluded.unrated, questions = t.questions + excluded.questions,
    pending = t.pending + excluded.pending, last_id = greatest(t.last_id, excluded.last_id), changed_at = now();
  with x as (
    select r.site_id, r.channel_id, r.criteria, -1 as w from unnest(p_was) r where r.status = 1 and r.kind = 0
    union all
    select r.site_id, r.channel_id, r.criteria, 1 from unnest(p_now) r where r.status = 1 and r.kind = 0
  )
  insert into review_criterion as t (site_id, channel_id, criterion, n, total)
  select x.site_id, x.channel_id, k.key, sum(x.w), sum(x.w * k.value::int)
  from x, jsonb_each_text(x.criteria) k group by 1, 2, 3 having sum(x.w) <> 0 or sum(x.w * k.value::int) <> 0
  order by 1, 2, 3
  on conflict (site_id, channel_id, criterion) do update set n = t.n + excluded.n, total = t.total + excluded.total;
end
$$;

-- What pages are told of a review.
create or replace function review_told(r review) returns text language sql stable as $$
  select concat('{"review":', question_json(r), ',"summary":', review_summary_json(r.site_id, r.channel_id), '}')
$$;

-- Change the state of a review, whose channel's row is locked. p_reason: why it is not shown, as its author is told. Gives
-- the number of the channel afterwards. With any state but 1 its words are gone from the log; an answer is counted at its
-- question.
create or replace function set_review_status(p_site int, p_id bigint, p_to int, p_reason text, p_webhook boolean)
returns bigint language plpgsql as $$
declare
  was review;
  r review;
  seq bigint;
begin
  select * into was from review x where x.site_id = p_site and x.id = p_id;
  if was.status = p_to then
    return (select x.seq from channel x where x.site_id = p_site and x.id = was.channel_id);
  end if;
  perform count_state(p_site, 'review', was.created_at, was.status, p_to);
  update review x set status = p_to, shadow = x.shadow and p_to = 3, reason = case when p_to in (0, 1) then '' else p_reason end,
    version = x.version + 1, modified_at = now()
  where x.site_id = p_site and x.id = p_id returning * into r;
  if r.kind = 2 and 1 in (was.status, p_to) then
    update review x set n_answers = x.n_answers + (p_to = 1)::int - (was.status = 1)::int, modified_at = now()
    where x.site_id = p_site and x.id = r.parent_id;
  end if;
  perform count_reviews(array[was], array[r]);
  if p_to <> 1 and was.status <> 1 then
    return (select x.seq from channel x where x.site_id = p_site and x.id = r.channel_id);
  end if;
  seq := advance_seq(p_site, r.channel_id);
  if p_to = 1 then
    perform announce(p_site, r.channel_id, seq, 'review.created', review_told(r), p_webhook);
  else
    delete from review_revision x where x.site_id = p_site and x.review_id = p_id;
    perform replace_event_words(p_site, r.channel_id, 'review', p_id, r.created_at, null, scrubbed_review());
    perform announce(p_site, r.channel_id, seq, 'review.deleted', format('{"id":"%s","summary":%s}', p_id,
      review_summary_json(p_site, r.channel_id)), p_webhook);
  end if;
  return seq;
end
$$;

-- The words of a review are gone for good: its author took them away, or is forgotten. The stars of what is not shown
-- count nowhere.
create or replace function wipe_review(p_site int, p_id bigint) returns void language sql as $$
  delete from review_revision x where x.site_id = p_site and x.review_id = p_id;
  delete from review_reply x where x.site_id = p_site and x.review_id = p_id;
  update review_mark x set words = '{}' where x.site_id = p_site and x.review_id = p_id and x.words <> '{}';
  -- Changes, those that moderators decided on, and answers have words; states have none.
  update review_change x set before = '', after = '' where x.site_id = p_site and x.review_id = p_id
    and (x.deed in ('edit', 'reply', 'unreply') or strpos(x.before, '"text"') > 0);
  update review x set title = '', pros = '', cons = '', src = '', html = '', attributes = '{}', variant = '', media = '[]',
    lexemes = '', wiped = true, modified_at = now()
  where x.site_id = p_site and x.id = p_id;
$$;

create or replace function note_review(
  p_site int, p_id bigint, p_who text, p_deed text, p_why text, p_before text, p_after text
) returns void language sql as $$
  insert into review_change (site_id, review_id, who, deed, why, before, after)
  values (p_site, p_id, p_who, p_deed, p_why, p_before, p_after)
$$;

-- Note why a review is not simply shown: {"marks": [..], "score": .., "words": [..]}.
create or replace function mark_review(p_site int, p_id bigint, p_verdict json) returns void language sql as $$
  insert into review_mark (site_id, review_id, mark, score, words)
  select p_site, p_id, m.mark, case when m.n = 1 then (p_verdict ->> 'score')::real end,
         case when m.n = 1 and json_typeof(p_verdict -> 'words') = 'array'
           then array(select json_array_elements_text(p_verdict -> 'words')) else '{}' end
  from json_array_elements_text(p_verdict -> 'marks') with ordinality m (mark, n)
  on conflict (site_id, review_id, mark) do nothing
$$;

-- The page of a review, for those who are told of items by section.
create or replace function review_item_channel(p_site int, p_id bigint) returns bigint language sql stable as $$
  select r.channel_id from review r where r.site_id = p_site and r.id = p_id
$$;

-- Tell moderators who look on that a review waits.
create or replace function tell_review_queued(r review) returns void language sql as $$
  select tell_staff(r.site_id, 'item.queued', format('{"item":"review:%s","state":"%s"}', r.id, status_name(r.status)))
$$;

-- What a review can be found by: its words, and with a prefix its site (s), channel (c), author (v), the words of the
-- author's name (a), its address and network (i). Its words are not prefixed, and no word has a colon.
create or replace function review_words(
  p_site int, p_channel bigint, p_visitor bigint, p_ip inet, p_name text, p_text text
) returns tsvector language sql immutable parallel safe as $$
  select strip(to_tsvector('simple', left(p_text, 20000)))
  || array_to_tsvector(array_remove(array[
    's:' || p_site, 'c:' || p_channel, 'v:' || p_visitor, 'i:' || host(p_ip),
    'i:' || host(network(set_masklen(p_ip, case when family(p_ip) = 4 then 24 else 64 end)))
      || case when family(p_ip) = 4 then '/24' else '/64' end
  ] || string_to_array('a:' || replace(lower(btrim(p_name)), ' ', chr(31) || 'a:'), chr(31)), null))
$$;
create or replace function review_lexemes(r review) returns tsvector language sql stable parallel safe as $$
  select review_words(r.site_id, r.channel_id, r.visitor_id, r.ip, r.author_name,
                      concat_ws(' ', r.title, r.pros, r.cons, r.src))
$$;
