-- What is said of a principal and single experiments of a workspace. $1 text: workspace. $2 bigint: the principal.
-- $3 bigint[]: experiments. Rows: (experiment_id, lowest, highest), nulls where nothing is; only for those that are in
-- the workspace.
select experiment.experiment_id, said.lowest, said.highest
from tracklog_admission.experiment as experiment
cross join lateral (
    select min(permission.level) as lowest, max(permission.level) as highest
    from tracklog_access.permission as permission
    where
        permission.workspace = $1
        and permission.resource_type = 'experiment'
        and permission.resource_id = experiment.experiment_id::text
        and (
            permission.principal_id = $2
            or permission.team_id in (select team_id from tracklog_access.member where principal_id = $2)
        )
) as said
where
    experiment.partition = 0
    and experiment.experiment_id = any($3::bigint[])
    and experiment.workspace = $1;
