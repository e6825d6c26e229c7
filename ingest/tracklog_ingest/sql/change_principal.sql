-- $1 text: name. $2, $3 boolean: admin, disabled; $4 bytea: password; null leaves each as it was. With a new password, or
-- disabled, nobody stays signed in as this principal. Rows: its id, or none.
with changed as (
    update tracklog_access.principal
    set admin = coalesce($2, admin), disabled = coalesce($3, disabled), password = coalesce($4, password)
    where name = $1
    returning principal_id
),

ended as (
    delete from tracklog_access.session
    where principal_id in (select principal_id from changed) and ($3 or $4 is not null)
)

select principal_id from changed;
