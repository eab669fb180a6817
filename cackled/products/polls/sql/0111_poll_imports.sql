-- Which numbers polls were given ever: an import takes none that was not.
-- cackled: compat 1

grant select on sequence poll_id_seq to cackled_app, cackled_system;
