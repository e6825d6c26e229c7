-- Tokens, oldest first. $1 text: of this principal, or null for all.
-- Rows: (token_id, name, workspace, comment, created_at, expires_at, last_used_at, revoked).
select
    token.token_id, principal.name, token.workspace, token.comment, token.created_at, token.expires_at,
    token.last_used_at, token.revoked
from tracklog_access.token as token
inner join tracklog_access.principal as principal on principal.principal_id = token.principal_id
where $1::text is null or principal.name = $1
order by token.created_at, token.token_id;
