-- Pictures of conversations are served at signed addresses alone.
-- cackled: compat 1

update media set shown = false where shown and item like 'chat:%';
