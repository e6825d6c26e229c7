-- $1 text: its beginning. $2 text: its principal, or null for whoever. Rows: the principal's name, or none when there
-- is no such token that is not revoked.
update tracklog_access.token as token set revoked = true
from tracklog_access.principal as principal
where
    token.token_id = $1
    and not token.revoked
    and principal.principal_id = token.principal_id
    and ($2::text is null or principal.name = $2)
returning principal.name;
