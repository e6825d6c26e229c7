-- Members of teams by name. $1 bigint[]: the teams. Rows: (team_id, member_id, principal_id, name).
select member.team_id, member.member_id, member.principal_id, principal.name
from tracklog_access.member as member
inner join tracklog_access.principal as principal on principal.principal_id = member.principal_id
where member.team_id = any($1::bigint[])
order by principal.name;
