-- Append what changed about access, and say that it changed. $1 bigint: the head's position before. $2 bigint[]:
-- experiment ids. $3, $4 smallint[]: kinds, versions. $5, $6 text[]: workspaces, principals. $7 bytea[]: payloads.
-- Rows: one void (the wake-up call).
with entries as (
    insert into tracklog_log.entry
    (partition, position, experiment_id, kind, version, workspace, principal, payload)
    select
        0, $1 + given.number, given.experiment_id, given.kind, given.version, given.workspace, given.principal,
        given.payload
    from unnest($2::bigint[], $3::smallint[], $4::smallint[], $5::text[], $6::text[], $7::bytea[])
        with ordinality as given (experiment_id, kind, version, workspace, principal, payload, number)
),

head as (
    update tracklog_log.head set position = $1 + cardinality($2::bigint[]) where partition = 0
),

changed as (
    update tracklog_access.version set number = number + 1
)

select pg_notify('tracklog_log', '');
