-- Append a group's entries after the head, whose lock the caller holds since before it read `position`; move the
-- head; and write all that the group changed in admission's tables, in one round trip. Every array may be empty.
-- $1 bigint: the head's position before.
-- Entries, in order: $2 bigint[]: experiment ids. $3 uuid[]: run ids or nulls. $4 uuid[], $5 bigint[]: producers
-- and sequence numbers, or nulls. $6, $7 smallint[]: kinds, versions. $8, $9 text[]: workspaces, principals.
-- $10 bytea[]: payloads.
-- Experiments, new or changed: $11 bigint[]: ids. $12..$14 text[]: workspaces, names, artifact locations.
-- $15 boolean[]: deleted. $16 bigint[]: runs. $17 integer[]: tags. $18 bigint[]: last positions.
-- Experiments only logged to: $19 bigint[], $20 bigint[]: ids and last positions.
-- Runs touched: $21 uuid[]: ids. $22 bigint[]: experiment ids. $23..$25 text[]: names, users, artifact URIs.
-- $26 smallint[]: status. $27, $28 bigint[]: start; end or null. $29 boolean[]: deleted. $30 bigint[]: points.
-- $31, $32 integer[]: params, tags. $33 bigint[]: last positions.
-- Params, new: $34 uuid[], $35, $36 text[]. Tags, by run and key: $37 uuid[], $38 text[] set; $39, $40 gone.
-- Experiment tags: $41 bigint[], $42 text[] set; $43, $44 gone.
-- Logged models: $45 text[]: ids. $46 bigint[]: experiment ids. $47 boolean[]: deleted. $48 bigint[]: positions.
-- Their params, new: $49..$51 text[]. Their tags: $52, $53 text[] set; $54, $55 gone.
-- Rows: one void (the wake-up call).
with entries as (
    insert into tracklog_log.entry (
        partition, position, experiment_id, run_id, producer_id, producer_seq,
        kind, version, workspace, principal, payload
    )
    select
        0, $1 + given.number, given.experiment_id, given.run_id, given.producer_id, given.producer_seq,
        given.kind, given.version, given.workspace, given.principal, given.payload
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

experiments as (
    insert into tracklog_admission.experiment
        (partition, experiment_id, workspace, name, artifact_location, deleted, runs, tags, last_position)
    select 0, given.*
    from unnest(
        $11::bigint[], $12::text[], $13::text[], $14::text[], $15::boolean[], $16::bigint[], $17::integer[],
        $18::bigint[]
    ) as given
    on conflict (partition, experiment_id) do update
    set
        name = excluded.name,
        deleted = excluded.deleted,
        runs = excluded.runs,
        tags = excluded.tags,
        last_position = excluded.last_position
),

logged_to as (
    update tracklog_admission.experiment as experiment set last_position = touched.position
    from unnest($19::bigint[], $20::bigint[]) as touched (experiment_id, position)
    where
        experiment.partition = 0
        and experiment.experiment_id = any($19::bigint[])
        and experiment.experiment_id = touched.experiment_id
),

runs as (
    insert into tracklog_admission.run (
        partition, run_id, experiment_id, name, user_id, artifact_uri, status, start_ms, end_ms, deleted,
        points, params, tags, last_position
    )
    select 0, given.*
    from unnest(
        $21::uuid[], $22::bigint[], $23::text[], $24::text[], $25::text[], $26::smallint[], $27::bigint[],
        $28::bigint[], $29::boolean[], $30::bigint[], $31::integer[], $32::integer[], $33::bigint[]
    ) as given
    on conflict (partition, run_id) do update
    set
        name = excluded.name,
        status = excluded.status,
        end_ms = excluded.end_ms,
        deleted = excluded.deleted,
        points = excluded.points,
        params = excluded.params,
        tags = excluded.tags,
        last_position = excluded.last_position
),

params as (
    insert into tracklog_admission.param (partition, run_id, key, value)
    select 0, given.* from unnest($34::uuid[], $35::text[], $36::text[]) as given
),

tags as (
    insert into tracklog_admission.tag (partition, run_id, key)
    select 0, given.* from unnest($37::uuid[], $38::text[]) as given
    on conflict do nothing
),

tags_gone as (
    delete from tracklog_admission.tag as tag
    using unnest($39::uuid[], $40::text[]) as gone (run_id, key)
    where
        tag.partition = 0
        and tag.run_id = any($39::uuid[])
        and tag.run_id = gone.run_id
        and tag.key = gone.key collate "C"
),

experiment_tags as (
    insert into tracklog_admission.experiment_tag (partition, experiment_id, key)
    select 0, given.* from unnest($41::bigint[], $42::text[]) as given
    on conflict do nothing
),

experiment_tags_gone as (
    delete from tracklog_admission.experiment_tag as tag
    using unnest($43::bigint[], $44::text[]) as gone (experiment_id, key)
    where
        tag.partition = 0
        and tag.experiment_id = any($43::bigint[])
        and tag.experiment_id = gone.experiment_id
        and tag.key = gone.key collate "C"
),

models as (
    insert into tracklog_admission.model (partition, model_id, experiment_id, deleted, last_position)
    select 0, given.* from unnest($45::text[], $46::bigint[], $47::boolean[], $48::bigint[]) as given
    on conflict (partition, model_id) do update
    set deleted = excluded.deleted, last_position = excluded.last_position
),

model_params as (
    insert into tracklog_admission.model_param (partition, model_id, key, value)
    select 0, given.* from unnest($49::text[], $50::text[], $51::text[]) as given
),

model_tags as (
    insert into tracklog_admission.model_tag (partition, model_id, key)
    select 0, given.* from unnest($52::text[], $53::text[]) as given
    on conflict do nothing
),

model_tags_gone as (
    delete from tracklog_admission.model_tag as tag
    using unnest($54::text[], $55::text[]) as gone (model_id, key)
    where
        tag.partition = 0
        and tag.model_id = any($54::text[])
        and tag.model_id = gone.model_id collate "C"
        and tag.key = gone.key collate "C"
)

select pg_notify('tracklog_log', '');
