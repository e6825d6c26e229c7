-- $1 bigint: the team's id. No rows.
delete from tracklog_access.team where team_id = $1;
