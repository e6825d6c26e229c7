-- $1 bigint: the team's id. $2 text: the principal. Rows: (member_id), or none when it is no member.
delete from tracklog_access.member as member
using tracklog_access.principal as principal
where member.team_id = $1 and member.principal_id = principal.principal_id and principal.name = $2
returning member.member_id;
