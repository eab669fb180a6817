-- Who may not write.
-- cackled: revision 1

-- Whether a visitor may not write (a text with these words, from this address).
create or replace function is_banned(p_site int, p_visitor bigint, p_ip inet, p_src text) returns boolean
language sql stable as $$
  select exists (
    select from ban b where b.site_id = p_site and (b.until is null or b.until > now()) and (
      (b.kind = 'visitor' and b.value = p_visitor::text) or (b.kind = 'ip' and p_ip <<= b.network)
      or (b.kind = 'word' and strpos(lower(p_src), lower(b.value)) > 0))
  )
$$;
