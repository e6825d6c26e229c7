-- A new principal. $1 text: name. $2, $3 boolean: service, admin. $4 text: home. $5 bytea: password or null.
-- Rows: its id, or none when the name is taken.
insert into tracklog_access.principal (name, service, admin, home, password)
values ($1, $2, $3, $4, $5)
on conflict (name) do nothing
returning principal_id;
