-- Words of bans as they are compared (null: as they are, in small letters); networks of mapped addresses as IPv4.
-- cackled: compat 1

alter table ban add column folded text;

-- The owner sees no rows of forced row-level security.
set local role cackled_system;
delete from ban b where b.network <<= '::ffff:0:0/96' and exists (
  select from ban o where o.site_id = b.site_id and o.kind = 'ip'
    and o.value = set_masklen('0.0.0.0'::inet + (b.network - '::ffff:0:0'), masklen(b.network) - 96)::cidr::text
);
update ban set
  network = set_masklen('0.0.0.0'::inet + (network - '::ffff:0:0'), masklen(network) - 96),
  value = set_masklen('0.0.0.0'::inet + (network - '::ffff:0:0'), masklen(network) - 96)::cidr::text
where network <<= '::ffff:0:0/96';
reset role;
