-- Whose a token is. $1 bytea: its digest. One that was made of another (its beginning is the other's, a dot, and more) is
-- worth nothing when the other is gone or revoked.
-- Rows: (principal_id, name, admin, disabled, home, password, token_id, digest, workspace, expires_at), or none.
select
    principal.principal_id, principal.name, principal.admin, principal.disabled, principal.home, principal.password,
    token.token_id, token.digest, token.workspace, token.expires_at
from tracklog_access.token as token
inner join tracklog_access.principal as principal on principal.principal_id = token.principal_id
inner join tracklog_access.token as origin
    on origin.token_id = split_part(token.token_id, '.', 1) and not origin.revoked
where token.digest = $1 and not token.revoked;
