-- Pictures that people uploaded of themselves.
-- cackled: revision 1

-- A person has that picture, and nobody else shows it; the one before is removed at once. It stands at no address of its
-- own: it is shown as the person's.
create or replace function keep_own_picture() returns trigger language plpgsql as $$
begin
  if old.picture <> '' then
    perform drop_media(old.site_id, array[old.picture]);
  end if;
  if tg_op = 'UPDATE' and new.picture <> '' then
    perform keep_pictures(new.site_id, 'person:' || new.visitor_id, new.visitor_id, array[new.picture], '{}');
    if not exists (
      select from media m
      where m.site_id = new.site_id and m.id = new.picture and m.item = 'person:' || new.visitor_id
    ) then
      raise exception using errcode = 'CK422', message = 'media-unknown';
    end if;
  end if;
  return null;
end
$$;

-- A picture that is removed by itself (by operators) is nobody's any more.
create or replace function forget_own_picture() returns trigger language plpgsql as $$
begin
  update person p set picture = ''
  where p.site_id = old.site_id and p.visitor_id = substr(old.item, 8)::bigint and p.picture = old.id;
  return null;
end
$$;

create or replace trigger own_picture_dropped after delete on media
for each row when (old.item like 'person:%') execute function forget_own_picture();
create or replace trigger own_picture_changed after update of picture on person
for each row when (old.picture <> new.picture) execute function keep_own_picture();
create or replace trigger own_picture_gone after delete on person
for each row when (old.picture <> '') execute function keep_own_picture();
