-- $1 text: name. $2, $3 boolean: admin, disabled; $4 bytea: password; null leaves each as it was. Rows: its id, or none.
update tracklog_access.principal
set admin = coalesce($2, admin), disabled = coalesce($3, disabled), password = coalesce($4, password)
where name = $1
returning principal_id;
