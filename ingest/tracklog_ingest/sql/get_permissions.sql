-- Permissions with who has them. $1 text: workspace, or null. $2, $3 text: type and id of the resource, or nulls.
-- $4 bigint[]: of these teams, or null. $5 text: of this principal itself, or null. $6 bigint: with this id, or null.
-- Rows: (permission_id, workspace, resource_type, resource_id, level, principal_id, team_id, kind, grantee, service).
select
    permission.permission_id, permission.workspace, permission.resource_type, permission.resource_id,
    permission.level, permission.principal_id, permission.team_id, coalesce(team.kind, 'user') as kind,
    coalesce(team.name, principal.name) as grantee, coalesce(principal.service, false) as service
from tracklog_access.permission as permission
left join tracklog_access.principal as principal on principal.principal_id = permission.principal_id
left join tracklog_access.team as team on team.team_id = permission.team_id
where
    ($1::text is null or permission.workspace = $1)
    and ($2::text is null or permission.resource_type = $2)
    and ($3::text is null or permission.resource_id = $3)
    and ($4::bigint[] is null or permission.team_id = any($4))
    and ($5::text is null or principal.name = $5)
    and ($6::bigint is null or permission.permission_id = $6)
order by permission.permission_id;
