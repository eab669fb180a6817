-- Reviews are written, changed and deleted by their authors.
-- cackled: revision 5

-- The channel's row and then the review's, locked; raises CK404 where there is none that a visitor can see.
create or replace function lock_review(p_site int, p_id bigint, p_visitor bigint) returns review language plpgsql as $$
declare
  r review;
begin
  perform from channel x where x.site_id = p_site and x.id = (
    select y.channel_id from review y where y.site_id = p_site and y.id = p_id
  ) for no key update;
  select * into r from review x where x.site_id = p_site and x.id = p_id
    and (x.status = 1 or x.visitor_id = p_visitor and not x.wiped and x.status <> 4) for update;
  if not found then
    raise exception using errcode = 'CK404', message = 'review';
  end if;
  return r;
end
$$;

-- A review with the members that p_data has; those it lacks stay as they are.
create or replace function with_members(r review, p_data jsonb) returns review language plpgsql stable as $$
begin
  r.star := case when p_data ? 'star' then (p_data ->> 'star')::smallint else r.star end;
  r.title := coalesce(p_data ->> 'title', r.title);
  r.pros := coalesce(p_data ->> 'pros', r.pros);
  r.cons := coalesce(p_data ->> 'cons', r.cons);
  r.src := coalesce(p_data ->> 'text', r.src);
  r.html := coalesce(p_data ->> 'html', r.html);
  r.recommend := case when p_data ? 'recommend' then (p_data ->> 'recommend')::boolean else r.recommend end;
  r.criteria := coalesce(p_data -> 'criteria', r.criteria);
  r.attributes := coalesce(p_data -> 'attributes', r.attributes);
  r.variant := coalesce(p_data ->> 'variant', r.variant);
  r.media := coalesce(p_data -> 'media', r.media);
  r.experienced := case when p_data ? 'experienced' then (p_data ->> 'experienced')::date else r.experienced end;
  r.lexemes := review_lexemes(r);
  return r;
end
$$;

-- Those members of a review, as its history and a change that waits have them.
create or replace function review_members(r review) returns jsonb language sql stable as $$
  select jsonb_build_object('star', r.star, 'title', r.title, 'pros', r.pros, 'cons', r.cons, 'text', r.src,
    'html', r.html, 'recommend', r.recommend, 'criteria', r.criteria, 'attributes', r.attributes, 'variant', r.variant,
    'media', r.media, 'experienced', r.experienced)
$$;

-- p_kind: 0 review, 1 question, 2 answer. p_data: its members, as JSON. p_words and p_title_words: what bans of words are
-- held against; p_verdict: null where it is to be shown at once, else what becomes of it, as for comments. p_order: the
-- order that a token named.
-- Raises CK409 'N reviewed' where the visitor has one there: it has the number N.
create or replace function post_review(
  p_site int, p_channel bigint, p_key text, p_url text, p_title text, p_visitor bigint, p_name text, p_ip inet,
  p_idem text, p_kind int, p_parent bigint, p_data text, p_words text, p_title_words text, p_staff boolean,
  p_order bigint, p_webhook boolean, p_verdict text
) returns table (review text, seq bigint, replayed boolean, summary text, state int) language plpgsql as $$
declare
  r review;
  k post_key;
  up review;
  other bigint;
  banned text;
  verdict json := p_verdict::json;
begin
  if p_title <> '' and is_banned(p_site, p_title_words, null, null) then
    p_title := '';
  end if;
  if p_idem is not null then
    -- The same once more is answered even where the page was closed meanwhile.
    perform from channel x where x.site_id = p_site and x.id = p_channel for no key update;
    select * into k from post_key x
    where x.site_id = p_site and x.visitor_id = p_visitor and x.channel_id = p_channel and x.key = p_idem;
    if found then
      select * into r from review x where x.site_id = p_site and x.id = k.comment_id;
      -- What was changed since can't be compared any more.
      if r.edited_at is null and r.status <> 4 and (r.parent_id is distinct from p_parent
          or review_members(with_members(r, p_data::jsonb)) - 'media' - 'html' <> review_members(r) - 'media' - 'html') then
        raise exception using errcode = 'CK422', message = 'key-reused';
      end if;
      return query select own_review_json(x), k.seq, true, review_summary_json(p_site, p_channel), x.status::int
        from review x where x.site_id = p_site and x.id = k.comment_id;
      return;
    end if;
  end if;
  perform open_channel(p_site, 'reviews', p_channel, p_key, p_url, p_title);
  perform check_warned(p_site, p_visitor);
  banned := ban_of(p_site, p_words, p_visitor, p_ip);
  if banned = 'ban' then
    raise exception using errcode = 'CK403', message = 'banned';
  end if;
  if p_kind = 0 then
    select x.id into other from review x where x.site_id = p_site and x.channel_id = p_channel
      and x.visitor_id = p_visitor and x.kind = 0 and x.status <> 4;
    if found then
      raise exception using errcode = 'CK409', message = other || ' reviewed';
    end if;
  elsif p_kind = 2 then
    select * into up from review x where x.site_id = p_site and x.id = p_parent and x.channel_id = p_channel
      and x.kind = 1 and x.status = 1 for no key update;
    if not found then
      raise exception using errcode = 'CK422', message = 'question';
    end if;
  end if;
  r.site_id := p_site;
  r.channel_id := p_channel;
  r.visitor_id := p_visitor;
  r.author_name := p_name;
  r.ip := p_ip;
  r.title := '';
  r.pros := '';
  r.cons := '';
  r.src := '';
  r.html := '';
  r.criteria := '{}';
  r.attributes := '{}';
  r.variant := '';
  r.media := '[]';
  r := with_members(r, p_data::jsonb);
  -- A review is never hidden without a word: it waits, as its author sees, and a moderator decides. The rest of what somebody
  -- writes under a shadow ban is hidden from all but them.
  r.status := case when banned = 'shadow' and p_kind = 0 then 0 when banned = 'shadow' then 3
    else coalesce((verdict ->> 'status')::int, 1) end;
  r.id := next_id(coalesce((select s.last_id from review_summary s where s.site_id = p_site and s.channel_id = p_channel), 0));
  insert into review as x (
    site_id, id, channel_id, kind, parent_id, visitor_id, author_name, author_extra, ip, star, title, pros, cons, src,
    html, recommend, criteria, attributes, variant, media, experienced, staff, status, shadow, lexemes
  ) values (
    p_site, r.id, p_channel, p_kind, p_parent, p_visitor, p_name, coalesce(author_extra(p_site, p_visitor), ''), p_ip,
    r.star, r.title, r.pros, r.cons, r.src, r.html, r.recommend, r.criteria, r.attributes, r.variant, r.media,
    r.experienced, p_staff, r.status, banned is not null and p_kind > 0, review_lexemes(r)
  ) returning x.* into r;
  perform check_pictures(p_site, 'review:' || r.id, r.media::text);
  if p_order is not null then
    perform use_review_order(p_site, p_order, p_channel, r.id);
    update review x set verified = 'order', order_id = p_order,
      incentivized = (select o.incentivized from review_order o where o.site_id = p_site and o.id = p_order)
    where x.site_id = p_site and x.id = r.id returning x.* into r;
  end if;
  if p_kind = 0 and exists (
    -- So says the site's own server of who it signed in.
    select from person x where x.site_id = p_site and x.visitor_id = p_visitor and 'incentivized' = any(x.groups)
  ) then
    update review x set incentivized = true where x.site_id = p_site and x.id = r.id returning x.* into r;
  end if;
  if r.status = 1 and p_kind = 2 then
    update review x set n_answers = x.n_answers + 1, modified_at = now() where x.site_id = p_site and x.id = p_parent;
  end if;
  perform count_reviews('{}', array[r]);
  if r.status = 1 then
    seq := advance_seq(p_site, p_channel);
    perform announce(p_site, p_channel, seq, 'review.created', review_told(r), p_webhook);
  elsif r.shadow then
    seq := advance_seq(p_site, p_channel);
    perform announce(p_site, p_channel, seq, 'summary.updated',
                     format('{"summary":%s}', review_summary_json(p_site, p_channel)), false);
  else
    select x.seq into seq from channel x where x.site_id = p_site and x.id = p_channel;
  end if;
  if p_idem is not null then
    insert into post_key (site_id, visitor_id, channel_id, key, comment_id, seq)
    values (p_site, p_visitor, p_channel, p_idem, r.id, seq);
  end if;
  insert into visitor (site_id, id, name, first_ip, last_ip, n_comments)
  values (p_site, p_visitor, p_name, p_ip, p_ip, 0)
  on conflict (site_id, id) do update set name = excluded.name, last_ip = excluded.last_ip, last_seen = now();
  if r.status <> 1 or verdict is not null then
    perform mark_review(p_site, r.id, case when banned = 'shadow' then '{"marks":["shadow"]}' else verdict end);
    perform tell_review_queued(r);
  end if;
  review := own_review_json(r);
  summary := review_summary_json(p_site, p_channel);
  replayed := false;
  state := r.status;
  return next;
end
$$;

-- Change one's own review. Where the verdict lets it wait, what is shown stays until a moderator has read the change; what
-- waited or was refused waits (again) with its new words.
create or replace function edit_review(
  p_site int, p_id bigint, p_visitor bigint, p_ip inet, p_data text, p_words text, p_webhook boolean, p_verdict text
) returns table (review text, seq bigint, channel bigint, summary text) language plpgsql as $$
declare
  was review := lock_review(p_site, p_id, p_visitor);
  r review;
  verdict json := p_verdict::json;
  to_status int := coalesce((verdict ->> 'status')::int, 1);
  banned text;
begin
  channel := was.channel_id;
  if was.visitor_id <> p_visitor then
    raise exception using errcode = 'CK403', message = 'author';
  elsif (select x.locked from channel x where x.site_id = p_site and x.id = channel) then
    raise exception using errcode = 'CK403', message = 'locked';
  end if;
  perform check_warned(p_site, p_visitor);
  banned := ban_of(p_site, p_words, p_visitor, p_ip);
  if banned = 'ban' then
    raise exception using errcode = 'CK403', message = 'banned';
  end if;
  r := with_members(was, p_data::jsonb);
  select x.seq into seq from channel x where x.site_id = p_site and x.id = channel;
  if review_members(r) = review_members(was) then
    -- Back to what is shown: nothing waits any more.
    delete from review_revision x where x.site_id = p_site and x.review_id = p_id;
  elsif was.status = 1 and (to_status <> 1 or banned is not null) then
    insert into review_revision (site_id, review_id, data) values (p_site, p_id, review_members(r)::text)
    on conflict (site_id, review_id) do update set data = excluded.data, created_at = now();
    perform check_pictures(p_site, 'review:' || p_id, r.media::text);
    update review x set version = x.version + 1, seen = false where x.site_id = p_site and x.id = p_id;
    perform mark_review(p_site, p_id, '{"marks":["edit"]}');
    if verdict is not null then
      perform mark_review(p_site, p_id, verdict);
    end if;
    perform tell_review_queued(was);
  else
    delete from review_revision x where x.site_id = p_site and x.review_id = p_id;
    -- Only what readers have seen is an earlier version for them.
    perform note_review(p_site, p_id, 'author', 'edit', '',
      (review_members(was) || jsonb_build_object('shown', was.status = 1))::text, review_members(r)::text);
    update review x set star = r.star, title = r.title, pros = r.pros, cons = r.cons, src = r.src, html = r.html,
      recommend = r.recommend, criteria = r.criteria, attributes = r.attributes, variant = r.variant, media = r.media,
      experienced = r.experienced, lexemes = r.lexemes, version = x.version + 1, edited_at = now(), modified_at = now(),
      seen = false
    where x.site_id = p_site and x.id = p_id returning * into r;
    perform check_pictures(p_site, 'review:' || p_id, r.media::text);
    perform count_reviews(array[was], array[r]);
    if r.status = 1 then
      seq := advance_seq(p_site, channel);
      perform replace_event_words(p_site, channel, 'review', p_id, r.created_at, question_json(r), null);
      perform announce(p_site, channel, seq, 'review.updated', review_told(r), p_webhook);
    elsif r.status = 3 and not r.shadow then
      -- What was refused is looked at once more.
      perform set_review_status(p_site, p_id, 0, '', p_webhook);
      perform mark_review(p_site, p_id, '{"marks":["edit"]}');
      perform tell_review_queued(r);
    end if;
  end if;
  select own_review_json(x) into review from review x where x.site_id = p_site and x.id = p_id;
  summary := review_summary_json(p_site, channel);
  return next;
end
$$;

-- Delete one's own review, for good. Answers to a question go with it.
create or replace function delete_review(p_site int, p_id bigint, p_visitor bigint, p_webhook boolean)
returns table (seq bigint, channel bigint, summary text) language plpgsql as $$
declare
  r review := lock_review(p_site, p_id, p_visitor);
  a bigint;
begin
  channel := r.channel_id;
  if r.visitor_id <> p_visitor then
    raise exception using errcode = 'CK403', message = 'author';
  end if;
  for a in select x.id from review x where x.site_id = p_site and x.parent_id = p_id and x.status <> 4 order by x.id loop
    seq := set_review_status(p_site, a, 4, 'question', p_webhook);
    perform note_review(p_site, a, 'author', 'delete', 'question', '', '');
  end loop;
  seq := set_review_status(p_site, p_id, 4, '', p_webhook);
  perform wipe_review(p_site, p_id);
  perform note_review(p_site, p_id, 'author', 'delete', '', '', '');
  summary := review_summary_json(p_site, channel);
  return next;
end
$$;

-- Answer a review for the site, or change that answer; with p_src '' take it away. Raises CK404 where it is not shown.
create or replace function reply_review(
  p_site int, p_id bigint, p_src text, p_html text, p_name text, p_who text, p_webhook boolean
) returns table (review text, seq bigint, channel bigint) language plpgsql as $$
declare
  r review := lock_review(p_site, p_id, -1);
  y review_reply;
begin
  channel := r.channel_id;
  select * into y from review_reply x where x.site_id = p_site and x.review_id = p_id;
  if p_src = '' then
    delete from review_reply x where x.site_id = p_site and x.review_id = p_id;
  else
    insert into review_reply as x (site_id, review_id, src, html, name, who)
    values (p_site, p_id, p_src, p_html, p_name, p_who)
    on conflict (site_id, review_id) do update set src = excluded.src, html = excluded.html, name = excluded.name,
      who = excluded.who, edited_at = now();
  end if;
  perform note_review(p_site, p_id, p_who, case when p_src = '' then 'unreply' else 'reply' end, '',
    json_build_object('reply', coalesce(y.src, ''))::text, json_build_object('reply', p_src)::text);
  update review x set modified_at = now(), version = x.version + 1 where x.site_id = p_site and x.id = p_id
  returning * into r;
  seq := advance_seq(p_site, channel);
  perform replace_event_words(p_site, channel, 'review', p_id, r.created_at, question_json(r), null);
  perform announce(p_site, channel, seq, 'review.updated', review_told(r), p_webhook);
  review := question_json(r);
  return next;
end
$$;
