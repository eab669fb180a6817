-- Orders that reviews are asked for, requests by mail, who wants none, and facts of products.
-- cackled: compat 1

-- ref: the site's own name of the order. event: what happened_at is the time of. mail goes when it is needed no more.
create table review_order (
  site_id int not null,
  id bigint generated always as identity,
  ref text not null,
  mail text not null default '',
  mail_hash text not null default '',
  name text not null default '',
  language text not null default '',
  event text not null default 'delivered',
  happened_at timestamptz not null,
  source text not null default 'api',
  created_at timestamptz not null default now(),
  primary key (site_id, id)
);
create unique index review_order_ref on review_order (site_id, ref);
create index review_order_mail on review_order (site_id, mail_hash) where mail_hash <> '';
create index review_order_age on review_order (created_at) where mail <> '';

-- One of its products. review_id: the one review that was written with it, which may be gone by now.
create table review_order_item (
  site_id int not null,
  order_id bigint not null,
  channel_id bigint not null,
  key text not null,
  url text not null default '',
  title text not null default '',
  review_id bigint,
  primary key (site_id, order_id, channel_id)
);

-- A request for reviews of an order. state: waiting, sent, reminded, opened, answered, stopped or failed.
create table review_request (
  site_id int not null,
  order_id bigint not null,
  state text not null default 'waiting',
  due_at timestamptz not null,
  sent_at timestamptz,
  reminded_at timestamptz,
  opened_at timestamptz,
  answered_at timestamptz,
  note text not null default '',
  primary key (site_id, order_id)
);
create index review_request_state on review_request (site_id, state, order_id desc);

-- Who is not to be written to, by a hash of the address.
create table review_block (
  site_id int not null,
  mail_hash text not null,
  shown text not null default '',
  why text not null default '',
  created_at timestamptz not null default now(),
  primary key (site_id, mail_hash)
);

-- What signs tokens of orders of a site.
create table review_secret (
  site_id int primary key,
  secret text not null
);

-- What the site says of a product, for lists and feeds.
create table review_product (
  site_id int not null,
  channel_id bigint not null,
  name text not null default '',
  category text not null default '',
  brand text not null default '',
  gtin text not null default '',
  mpn text not null default '',
  sku text not null default '',
  image text not null default '',
  price text not null default '',
  currency text not null default '',
  modified_at timestamptz not null default now(),
  primary key (site_id, channel_id)
);
create index review_product_category on review_product (site_id, category, channel_id);

do $$
declare
  t text;
begin
  foreach t in array array['review_order', 'review_order_item', 'review_request', 'review_block', 'review_secret',
                           'review_product'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy own_site on %I to cackled_app
      using (site_id = (select app_site())) with check (site_id = (select app_site()))', t);
    execute format('create policy all_sites on %I to cackled_system using (true) with check (true)', t);
    execute format('grant select, insert, update, delete on %I to cackled_app, cackled_system', t);
  end loop;
end
$$;
