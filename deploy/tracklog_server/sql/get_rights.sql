-- What a principal may do in a workspace as such. $1 text: workspace. $2 bigint: the principal.
-- Rows: (principal_id, admin, default_level, of_workspace, of_experiments, denied, has_denials, has_any): the highest
-- levels on the workspace and on all its experiments, whether those are denied, whether a single one is, and
-- whether there is any permission. None when there is no such workspace or principal.
select
    principal.principal_id, principal.admin, workspace.default_level, said.of_workspace, said.of_experiments,
    said.denied, said.has_denials, said.has_any
from tracklog_access.workspace as workspace
cross join tracklog_access.principal as principal
cross join lateral (
    select
        max(permission.level) filter (where permission.resource_type = 'workspace') as of_workspace,
        max(permission.level) filter (
            where permission.resource_type = 'experiment' and permission.resource_id = '*'
        ) as of_experiments,
        bool_or(permission.level = -1 and permission.resource_id = '*') filter (
            where permission.resource_type = 'experiment'
        ) as denied,
        bool_or(permission.level = -1) as has_denials,
        bool_or(permission.level > 0) as has_any
    from tracklog_access.permission as permission
    where
        permission.workspace = $1
        and (
            permission.principal_id = $2
            or permission.team_id in (select team_id from tracklog_access.member where principal_id = $2)
        )
) as said
where workspace.name = $1 and principal.principal_id = $2;
