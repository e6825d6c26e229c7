-- $1 text: workspace. $2 bigint: a principal's id, or null; $3 bigint: a team's, or null. $4, $5 text: type and id of the
-- resource. $6 smallint: the level. Rows: (permission_id).
with changed as (
    update tracklog_access.permission set level = $6
    where
        workspace = $1
        and (principal_id = $2 or team_id = $3)
        and resource_type = $4
        and resource_id = $5
    returning permission_id
),

added as (
    insert into tracklog_access.permission (workspace, principal_id, team_id, resource_type, resource_id, level)
    select $1, $2, $3, $4, $5, $6
    where not exists (select from changed)
    returning permission_id
)

select permission_id from changed
union all
select permission_id from added;
