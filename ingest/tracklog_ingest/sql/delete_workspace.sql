-- A workspace with its roles, permissions and tokens. $1 text: name. No rows.
with roles as (
    delete from tracklog_access.team where workspace = $1
),

permissions as (
    delete from tracklog_access.permission where workspace = $1
),

tokens as (
    update tracklog_access.token set revoked = true where workspace = $1
)

delete from tracklog_access.workspace where name = $1;
