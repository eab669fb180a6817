-- Pictures that options show: staff add them, and they are everybody's to see while an option has them.
-- cackled: revision 1

-- The number of a picture of ours in an address; null of any other address.
create or replace function poll_picture(p_image text) returns text language sql immutable parallel safe as $$
  select substring(p_image from '^/media/[0-9]+-([A-Za-z0-9_-]{22})/')
$$;

-- Give a picture to the poll whose option shows it, and take it away when none does any more; it goes after a day then.
create or replace function poll_picture_changed() returns trigger language plpgsql as $$
begin
  if tg_op <> 'INSERT' and poll_picture(old.image) is not null and not exists (
    select from poll_option o
    where o.site_id = old.site_id and o.poll_id = old.poll_id and poll_picture(o.image) = poll_picture(old.image)
  ) then
    update media m set item = '', shown = false
    where m.site_id = old.site_id and m.id = poll_picture(old.image) and m.item = 'poll:' || old.poll_id;
  end if;
  if tg_op <> 'DELETE' and poll_picture(new.image) is not null then
    update media m set item = 'poll:' || new.poll_id, shown = true
    where m.site_id = new.site_id and m.id = poll_picture(new.image) and m.account_id is not null
      and m.item in ('', 'poll:' || new.poll_id);
    if not found then
      raise exception using errcode = 'CK422', message = 'media-unknown';
    end if;
  end if;
  return null;
end
$$;

create or replace trigger picture_added after insert on poll_option
for each row when (new.image like '/media/%') execute function poll_picture_changed();
create or replace trigger picture_changed after update of image on poll_option
for each row when (old.image is distinct from new.image) execute function poll_picture_changed();
create or replace trigger picture_gone after delete on poll_option
for each row when (old.image like '/media/%') execute function poll_picture_changed();
