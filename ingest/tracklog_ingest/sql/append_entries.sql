-- Append a group's entries after the head, whose lock the caller holds since before it read `position`; move the
-- head; and note for each run and experiment touched where its last entry is (with a run's new point count).
-- $1 bigint: the head's position before. $2 bigint[]: experiment ids. $3 uuid[]: run ids or nulls.
-- $4 uuid[], $5 bigint[]: producers and sequence numbers, or nulls. $6 smallint[], $7 smallint[]: kinds, versions.
-- $8 text[], $9 text[]: workspaces, principals. $10 bytea[]: payloads. All one per entry, in order.
-- $11 uuid[], $12 bigint[], $13 bigint[]: runs touched, their last positions and points.
-- $14 bigint[], $15 bigint[]: experiments touched and their last positions. Rows: one, void (the wake-up call).
-- The conditions with any() follow from the joins; they keep a plan made without statistics to the rows touched.
with entries as (
    insert into tracklog_log.entry (
        partition, position, experiment_id, run_id, producer_id, producer_seq,
        kind, version, workspace, principal, payload
    )
    select
        0,
        $1 + given.number,
        given.experiment_id,
        given.run_id,
        given.producer_id,
        given.producer_seq,
        given.kind,
        given.version,
        given.workspace,
        given.principal,
        given.payload
    from unnest(
        $2::bigint[], $3::uuid[], $4::uuid[], $5::bigint[], $6::smallint[], $7::smallint[],
        $8::text[], $9::text[], $10::bytea[]
    ) with ordinality as given (
        experiment_id, run_id, producer_id, producer_seq, kind, version, workspace, principal, payload, number
    )
),

head as (
    update tracklog_log.head set position = $1 + cardinality($2::bigint[]) where partition = 0
),

runs as (
    update tracklog_admission.run as run set last_position = touched.position, points = touched.points
    from unnest($11::uuid[], $12::bigint[], $13::bigint[]) as touched (run_id, position, points)
    where run.partition = 0 and run.run_id = touched.run_id and run.run_id = any($11::uuid[])
),

experiments as (
    update tracklog_admission.experiment as experiment set last_position = touched.position
    from unnest($14::bigint[], $15::bigint[]) as touched (experiment_id, position)
    where
        experiment.partition = 0
        and experiment.experiment_id = touched.experiment_id
        and experiment.experiment_id = any($14::bigint[])
)

select pg_notify('tracklog_log', '');
