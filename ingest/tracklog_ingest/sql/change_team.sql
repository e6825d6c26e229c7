-- $1 bigint: the team's id. $2, $3 text: name, description; null leaves each as it was. Rows: (team_id).
update tracklog_access.team
set name = coalesce($2, name), description = coalesce($3, description)
where team_id = $1
returning team_id;
