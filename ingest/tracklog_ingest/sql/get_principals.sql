-- Principals by name. $1 text: one of them, or null for all.
-- Rows: (principal_id, name, service, admin, disabled, home, with_password, created_at).
select
    principal_id, name, service, admin, disabled, home, password is not null as with_password, created_at
from tracklog_access.principal
where $1::text is null or name = $1
order by name;
