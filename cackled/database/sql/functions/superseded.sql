-- Overloads that this release does not call any more and that releases before it do: they run beside it while nodes are
-- replaced. A later release drops them by a migration whose "compat" names the oldest code that does without them.
-- cackled: revision 1

create or replace function edit_comment(
  p_site int, p_id bigint, p_visitor bigint, p_src text, p_html text, p_window int
) returns table (comment text, seq bigint, channel bigint) language sql as $$
  select comment, seq, channel from edit_comment(p_site, p_id, p_visitor, p_src, p_html, p_window, false)
$$;

create or replace function delete_comment(p_site int, p_id bigint, p_visitor bigint)
returns table (seq bigint, channel bigint) language sql as $$
  select seq, channel from delete_comment(p_site, p_id, p_visitor, false)
$$;
