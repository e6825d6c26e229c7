-- $1 text: the principal. $2 bytea: the cookie's digest. $3 timestamptz: its end. Those that have ended go. Rows: the
-- principal's id, or none when there is no such principal, or it is disabled.
with ended as (
    delete from tracklog_access.session where expires_at < now()
)

insert into tracklog_access.session (digest, principal_id, expires_at)
select $2, principal.principal_id, $3
from tracklog_access.principal as principal
where principal.name = $1 and not principal.disabled
returning principal_id;
