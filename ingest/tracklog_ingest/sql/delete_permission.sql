-- $1 bigint: the permission's id. No rows.
delete from tracklog_access.permission where permission_id = $1;
