-- Overloads that this release does not call any more and that releases before it do: they run beside it while nodes are
-- replaced. A later release drops them by a migration whose "compat" names the oldest code that does without them.
-- cackled: revision 5

create or replace function post_comment(
  p_site int, p_channel bigint, p_key text, p_url text, p_title text, p_visitor bigint, p_name text, p_ip inet,
  p_idem text, p_parent bigint, p_src text, p_html text, p_words text, p_title_words text, p_level int,
  p_webhook boolean
) returns table (comment text, seq bigint, replayed boolean, source text) language sql as $$
  select comment, seq, replayed, source
  from post_comment(p_site, p_channel, p_key, p_url, p_title, p_visitor, p_name, p_ip, p_idem, p_parent, p_src, p_html,
                    p_words, p_title_words, p_level, p_webhook, null)
$$;

create or replace function edit_comment(
  p_site int, p_id bigint, p_visitor bigint, p_ip inet, p_src text, p_html text, p_words text, p_window int,
  p_webhook boolean
) returns table (comment text, seq bigint, channel bigint) language sql as $$
  select comment, seq, channel
  from edit_comment(p_site, p_id, p_visitor, p_ip, p_src, p_html, p_words, p_window, p_webhook, null)
$$;

create or replace function post_comment(
  p_site int, p_channel bigint, p_key text, p_url text, p_title text, p_visitor bigint, p_name text, p_ip inet,
  p_idem text, p_parent bigint, p_src text, p_html text, p_level int, p_webhook boolean
) returns table (comment text, seq bigint, replayed boolean, source text) language sql as $$
  select comment, seq, replayed, source
  from post_comment(p_site, p_channel, p_key, p_url, p_title, p_visitor, p_name, p_ip, p_idem, p_parent, p_src, p_html,
                    lower(concat_ws(E'\n', p_name, p_src)), lower(p_title), p_level, p_webhook)
$$;

create or replace function edit_comment(
  p_site int, p_id bigint, p_visitor bigint, p_src text, p_html text, p_window int, p_webhook boolean
) returns table (comment text, seq bigint, channel bigint) language sql as $$
  select comment, seq, channel
  from edit_comment(p_site, p_id, p_visitor, null, p_src, p_html, lower(p_src), p_window, p_webhook)
$$;

create or replace function edit_comment(
  p_site int, p_id bigint, p_visitor bigint, p_src text, p_html text, p_window int
) returns table (comment text, seq bigint, channel bigint) language sql as $$
  select comment, seq, channel from edit_comment(p_site, p_id, p_visitor, p_src, p_html, p_window, false)
$$;

create or replace function delete_comment(p_site int, p_id bigint, p_visitor bigint, p_webhook boolean)
returns table (seq bigint, channel bigint) language sql as $$
  select seq, channel from delete_comment(p_site, p_id, p_visitor, p_webhook, '')
$$;

create or replace function delete_comment(p_site int, p_id bigint, p_visitor bigint)
returns table (seq bigint, channel bigint) language sql as $$
  select seq, channel from delete_comment(p_site, p_id, p_visitor, false)
$$;

create or replace function vote_comments(p_site int, p_id bigint, p_visitors bigint[], p_values int[])
returns table (up int, down int, seq bigint, channel bigint, refused text) language sql as $$
  select up, down, seq, channel, refused from vote_comments(p_site, p_id, p_visitors, p_values, null)
$$;

create or replace function flag_comment(p_site int, p_id bigint, p_visitor bigint, p_reason text) returns int
language sql as $$
  select flag_comment(p_site, p_id, p_visitor, null, p_reason, false)
$$;

create or replace function scrubbed_event(p_data text) returns text language sql immutable parallel safe as $$
  select reworded_event(p_data, 'comment', null, scrubbed_comment())
$$;

create or replace function erase_visitor(p_site int, p_visitor bigint, p_most int)
returns table (channel bigint, seq bigint) language plpgsql as $$
begin
  insert into erasure (site_id, visitor_id) values (p_site, p_visitor) on conflict do nothing;
  for channel, seq in select x.channel, x.seq from erase_comments(p_site, p_visitor, p_most) x loop
    return next;
    if channel is null then
      return;
    end if;
  end loop;
  perform forget_visitor(
    p_site, p_visitor, array(select distinct x.channel_id from comment x
                             where x.site_id = p_site and x.visitor_id = p_visitor),
    array['comment'], array[scrubbed_comment()::text]);
end
$$;

create or replace function edit_as_staff(
  p_site int, p_id bigint, p_version int, p_who text, p_name text, p_why text, p_src text, p_html text,
  p_webhook boolean
) returns table (outcome text, version int, state text, seq bigint, channel bigint) language sql as $$
  select outcome, version, state, seq, channel
  from edit_comment_as_staff(p_site, p_id, p_version, p_who, p_name, p_why, p_src, p_html, p_webhook)
$$;
