-- Whoever made an experiment may manage it. $1 bigint[]: experiments. $2, $3 text[]: their makers and workspaces.
-- $4 smallint: the level. No rows.
insert into tracklog_access.permission (workspace, principal_id, resource_type, resource_id, level)
select made.workspace, principal.principal_id, 'experiment', made.experiment_id::text, $4
from unnest($1::bigint[], $2::text[], $3::text[]) as made (experiment_id, maker, workspace)
inner join tracklog_access.principal as principal on principal.name = made.maker;
