-- $1 text: its beginning. $2 bytea: digest. $3 text: the principal. $4 text: workspace or null. $5 text: comment.
-- $6 timestamptz: end or null. Rows: the principal's id, or none when there is no such principal.
insert into tracklog_access.token (token_id, digest, principal_id, workspace, comment, expires_at)
select $1, $2, principal.principal_id, $4, $5, $6
from tracklog_access.principal as principal
where principal.name = $3
returning principal_id;
