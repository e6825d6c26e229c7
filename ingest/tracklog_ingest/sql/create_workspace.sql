-- $1 text: name. $2 text: description. $3 smallint: the members' level. Rows: (name), or none when the name is taken.
insert into tracklog_access.workspace (name, description, default_level)
values ($1, $2, $3)
on conflict (name) do nothing
returning name;
