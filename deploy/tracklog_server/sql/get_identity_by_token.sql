-- Whose a token is. $1 bytea: its digest.
-- Rows: (principal_id, name, admin, disabled, home, password, token_id, digest, workspace, expires_at), or none.
select
    principal.principal_id, principal.name, principal.admin, principal.disabled, principal.home, principal.password,
    token.token_id, token.digest, token.workspace, token.expires_at
from tracklog_access.token as token
inner join tracklog_access.principal as principal on principal.principal_id = token.principal_id
where token.digest = $1 and not token.revoked;
