-- The experiments of a workspace that a principal may read. $1 text: workspace. $2 bigint: the principal. $3 boolean:
-- are all of them open to it, but for those it is denied. Rows: (experiment_id).
with said as (
    select permission.resource_id, min(permission.level) as lowest, max(permission.level) as highest
    from tracklog_access.permission as permission
    where
        permission.workspace = $1
        and permission.resource_type = 'experiment'
        and permission.resource_id <> '*'
        and (
            permission.principal_id = $2
            or permission.team_id in (select team_id from tracklog_access.member where principal_id = $2)
        )
    group by permission.resource_id
)

select experiment.experiment_id
from tracklog_admission.experiment as experiment
where
    experiment.partition = 0
    and experiment.workspace = $1
    and $3
    and experiment.experiment_id::text not in (select resource_id from said where lowest < 0)
union all
select experiment.experiment_id
from said
inner join tracklog_admission.experiment as experiment
    on experiment.partition = 0 and experiment.experiment_id = said.resource_id::bigint
where not $3 and experiment.workspace = $1 and said.lowest >= 0 and said.highest > 0;
