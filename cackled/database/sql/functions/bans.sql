-- Who may not write, and which words.
-- cackled: revision 2

-- Whether a visitor, an address or a text is banned: 'ban', or 'shadow' where that is to be noticed by nobody; null: it
-- is not. p_words is the text as `cackled.domain.word_matching.compared` gives it, the name in its first line.
create or replace function ban_of(p_site int, p_words text, p_visitor bigint, p_ip inet) returns text
language sql stable as $$
  select case min(b.shadow::int) when 0 then 'ban' when 1 then 'shadow' end
  from ban b where b.site_id = p_site and (b.until is null or b.until > now()) and (
    (b.kind in ('visitor', 'account') and b.value = p_visitor::text) or (b.kind = 'ip' and p_ip <<= b.network)
    or (b.kind in ('mail', 'domain') and exists (
      select from person p where p.site_id = p_site and p.visitor_id = p_visitor and p.email <> ''
        and b.value = case b.kind when 'domain' then split_part(lower(p.email), '@', 2)
          else regexp_replace(lower(p.email), '[+][^@]*@', '@') end))
    or (b.kind = 'name' and split_part(p_words, E'\n', 1) = b.folded)
    or (b.kind = 'word' and strpos(p_words, coalesce(b.folded, lower(b.value))) > 0))
$$;

-- The same, where both are one.
create or replace function is_banned(p_site int, p_words text, p_visitor bigint, p_ip inet) returns boolean
language sql stable as $$
  select exists (select from ban b where b.site_id = p_site) and ban_of(p_site, p_words, p_visitor, p_ip) is not null
$$;
