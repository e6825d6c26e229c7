-- Who has a name. $1 text: it.
-- Rows: (principal_id, name, admin, disabled, home, password, token_id, digest, workspace, expires_at), or none.
select
    principal_id, name, admin, disabled, home, password, null::text as token_id, null::bytea as digest,
    null::text as workspace, null::timestamptz as expires_at
from tracklog_access.principal
where name = $1;
