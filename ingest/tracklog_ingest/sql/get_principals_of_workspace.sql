-- Principals who are at home in a workspace, or of whom, or of a team of whose, a permission in it speaks, by name.
-- $1 text: the workspace. Rows: as of get_principals.
select
    principal_id, name, service, admin, disabled, home, password is not null as with_password, created_at
from tracklog_access.principal
where
    home = $1
    or principal_id in (
        select principal_id from tracklog_access.permission where workspace = $1 and principal_id is not null
        union all
        select member.principal_id
        from tracklog_access.member as member
        inner join tracklog_access.permission as permission on permission.team_id = member.team_id
        where permission.workspace = $1
    )
order by name;
