-- $1 text: name. $2 text: description, null as it was. $3 smallint: the members' level, null as it was. Rows: (name), or
-- none when there is none.
update tracklog_access.workspace
set description = coalesce($2, description), default_level = coalesce($3, default_level)
where name = $1
returning name;
