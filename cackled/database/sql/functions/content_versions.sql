-- Versions of rows that have no number of their own: what stands in a row names its version.
-- cackled: revision 1

-- A number below 2^52, which JavaScript keeps exactly. p_content: the members that people change, as text.
create or replace function content_version(p_content text) returns bigint language sql immutable parallel safe as $$
  select hashtextextended(p_content, 0) & ((1::bigint << 52) - 1)
$$;
