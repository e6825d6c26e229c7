-- $1 bigint: the team's id. $2 text: the principal. Rows: (member_id, principal_id), or none when there is no such
-- principal, or it is a member.
insert into tracklog_access.member (team_id, principal_id)
select $1, principal.principal_id
from tracklog_access.principal as principal
where principal.name = $2
on conflict do nothing
returning member_id, principal_id;
