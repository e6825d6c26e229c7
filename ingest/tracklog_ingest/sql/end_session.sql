-- $1 bytea: the cookie's digest. No rows.
with ended as (
    delete from tracklog_access.session where digest = $1
)

update tracklog_access.version set number = number + 1;
