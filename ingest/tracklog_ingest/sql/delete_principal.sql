-- $1 text: name. Rows: its id, or none.
delete from tracklog_access.principal where name = $1 returning principal_id;
