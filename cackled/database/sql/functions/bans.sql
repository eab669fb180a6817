-- Who may not write, and which words.
-- cackled: revision 1

-- Whether a visitor, an address or a text is banned. p_words is the text as `cackled.domain.words.fold` gives it.
create or replace function is_banned(p_site int, p_words text, p_visitor bigint, p_ip inet) returns boolean
language sql stable as $$
  select exists (
    select from ban b where b.site_id = p_site and (b.until is null or b.until > now()) and (
      (b.kind = 'visitor' and b.value = p_visitor::text) or (b.kind = 'ip' and p_ip <<= b.network)
      or (b.kind = 'word' and strpos(p_words, coalesce(b.folded, lower(b.value))) > 0))
  )
$$;
