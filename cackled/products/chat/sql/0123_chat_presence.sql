-- Operators who were lost come back as they were; colleagues who were invited; pictures; when somebody comes or goes.
-- cackled: compat 1

-- lost: not heard of for a minute; state stays what the operator chose. chosen: they chose one.
alter table chat_desk add column lost boolean not null default false;
alter table chat_desk add column chosen boolean not null default false;
alter table chat_desk add column skills text[] not null default '{}';
update chat_desk set chosen = true;
create index chat_desk_there on chat_desk (seen_at) where not lost;

-- guests: accounts of colleagues who help.
alter table chat add column guests bigint[] not null default '{}';
create index chat_assigned on chat (site_id, assignee) where state = 'open';

-- files: a JSON list of pictures; quick: answers to choose from.
alter table chat_message add column files text not null default '[]';
alter table chat_message add column quick text[] not null default '{}';

-- channel_id: where it is told whether somebody is there; status: what was told last (0 nobody, 1 away, 2 online).
alter table chat_setup add column channel_id bigint;
alter table chat_setup add column status int;
