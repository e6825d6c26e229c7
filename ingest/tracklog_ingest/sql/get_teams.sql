-- Groups or roles by name. $1 text: the kind. $2 text[]: of these workspaces, or null. $3 text: of this name, or null.
-- $4 bigint: with this id, or null. $5 text: those that this principal is in, or null.
-- Rows: (team_id, kind, workspace, name, description).
select team.team_id, team.kind, team.workspace, team.name, team.description
from tracklog_access.team as team
where
    team.kind = $1
    and ($2::text[] is null or team.workspace = any($2))
    and ($3::text is null or team.name = $3)
    and ($4::bigint is null or team.team_id = $4)
    and (
        $5::text is null
        or exists (
            select
            from tracklog_access.member as member
            inner join tracklog_access.principal as principal on principal.principal_id = member.principal_id
            where member.team_id = team.team_id and principal.name = $5
        )
    )
order by team.workspace, team.name;
