-- Whose a session is. $1 bytea: the cookie's digest.
-- Rows: (principal_id, name, admin, disabled, home, password, token_id, digest, workspace, expires_at), or none.
select
    principal.principal_id, principal.name, principal.admin, principal.disabled, principal.home, principal.password,
    null::text as token_id, session.digest, null::text as workspace, session.expires_at
from tracklog_access.session as session
inner join tracklog_access.principal as principal on principal.principal_id = session.principal_id
where session.digest = $1 and session.expires_at > now();
