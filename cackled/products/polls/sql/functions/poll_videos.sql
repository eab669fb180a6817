-- Titles of options' videos.
-- cackled: revision 1

-- Another video has another title.
create or replace function forget_video_title() returns trigger language plpgsql as $$
begin
  new.video_title := '';
  return new;
end
$$;

-- Have the title of a video asked for.
create or replace function ask_video_title() returns trigger language plpgsql as $$
begin
  insert into outbox (site_id, kind, body)
  select new.site_id, 'poll-videos', format('{"poll":"%s"}', new.poll_id)
  where not exists (
    select from outbox x where x.site_id = new.site_id and x.kind = 'poll-videos' and x.done_at is null
      and x.dead_at is null and x.tries = 0 and x.body = format('{"poll":"%s"}', new.poll_id));
  return null;
end
$$;

create or replace trigger video_title_forgotten before update of video on poll_option
for each row when (old.video <> new.video and old.video_title <> '') execute function forget_video_title();
create or replace trigger video_added after insert on poll_option
for each row when (new.video <> '' and new.video_title = '') execute function ask_video_title();
create or replace trigger video_changed after update of video on poll_option
for each row when (new.video <> '' and old.video <> new.video) execute function ask_video_title();

-- Show titles of a poll's videos; pages are told. Its version stays: nobody changed what staff edits.
create or replace function set_poll_videos(p_site int, p_poll bigint, p_videos text[], p_titles text[])
returns table (channel bigint, seq bigint) language plpgsql as $$
declare
  p poll := lock_poll(p_site, p_poll);
begin
  update poll_option x set video_title = t.title
  from unnest(p_videos, p_titles) t (video, title)
  where x.site_id = p_site and x.poll_id = p_poll and x.video = t.video and x.video_title <> t.title;
  if found then
    channel := p.channel_id;
    seq := advance_seq(p_site, channel);
    perform announce(p_site, channel, seq, 'poll.updated', format('{"id":"%s","version":%s}', p.id, p.version), false);
    return next;
  end if;
end
$$;
