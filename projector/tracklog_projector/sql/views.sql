-- The views: everything here is folded from the log and may be dropped and rebuilt. No statement names their
-- schema: the connection's search_path does, so that a rebuild can run beside the live views.

create table version (digest text primary key);

create table checkpoint (
    partition integer primary key,
    position bigint not null,
    recorded_at timestamptz,
    metrics_position bigint not null default 0 -- up to where `metric` has all latest points
) with (fillfactor = 10);

create table experiment (
    partition integer not null,
    experiment_id bigint not null,
    workspace text not null,
    name text not null collate "C",
    artifact_location text not null,
    deleted boolean not null default false,
    created_ms bigint not null,
    updated_ms bigint not null,
    primary key (partition, experiment_id)
);
create index experiment_by_name on experiment (workspace, name);
create index experiment_by_age on experiment (workspace, created_ms desc, experiment_id);

create table experiment_tag (
    partition integer not null,
    experiment_id bigint not null,
    key text not null collate "C",
    value text not null collate "C",
    primary key (partition, experiment_id, key)
);

create table run (
    partition integer not null,
    run_id uuid not null,
    experiment_id bigint not null,
    name text not null collate "C",
    user_id text not null collate "C",
    artifact_uri text not null collate "C",
    status smallint not null, -- MLflow's RunStatus: 1 RUNNING, 2 SCHEDULED, 3 FINISHED, 4 FAILED, 5 KILLED
    start_ms bigint not null,
    end_ms bigint,
    deleted boolean not null default false,
    deleted_ms bigint, -- since when, null for a run that is not
    primary key (partition, run_id)
) with (fillfactor = 80);
create index run_by_start on run (experiment_id, deleted, start_ms desc, run_id) include (partition);
create index run_by_deletion on run (deleted_ms, run_id) where deleted;

create table param (
    partition integer not null,
    run_id uuid not null,
    experiment_id bigint not null,
    key text not null collate "C",
    value text not null collate "C",
    -- What an index row has room for. A column of its own, because an index on an expression is never read alone.
    start text not null collate "C" generated always as (left(value, 128)) stored,
    primary key (partition, run_id, key)
);

create table tag (
    partition integer not null,
    run_id uuid not null,
    experiment_id bigint not null,
    key text not null collate "C",
    value text not null collate "C",
    start text not null collate "C" generated always as (left(value, 128)) stored,
    primary key (partition, run_id, key)
);

-- The latest point of every metric of every run: greatest (step, timestamp, value), where NaN counts as 0.
create table metric (
    partition integer not null,
    run_id uuid not null,
    experiment_id bigint not null,
    key text not null collate "C",
    value double precision not null,
    "timestamp" bigint not null,
    step bigint not null,
    primary key (partition, run_id, key)
) with (fillfactor = 70);

-- Latest points on their way into `metric`, packed, a row for each run of a fold that had too many of them: a run of
-- a thousand keys that logs each second would otherwise rewrite a thousand rows a second. Readers merge them.
create table metric_fresh (
    partition integer not null,
    run_id uuid not null,
    position bigint not null, -- the last entry they are from
    since bigint not null, -- the last entry before that fold
    experiment_id bigint not null,
    payload bytea not null,
    primary key (partition, run_id, position)
);
alter table metric_fresh alter column payload set storage external;
create index metric_fresh_by_age on metric_fresh (partition, since);

create table dataset (
    partition integer not null,
    experiment_id bigint not null,
    name text not null collate "C",
    digest text not null collate "C",
    source_type text not null,
    source text not null,
    schema text,
    profile text,
    primary key (partition, experiment_id, name, digest)
);

create table run_dataset (
    partition integer not null,
    run_id uuid not null,
    experiment_id bigint not null,
    name text not null collate "C",
    digest text not null collate "C",
    number bigint not null, -- order of first use within the run
    tags jsonb not null,
    primary key (partition, run_id, name, digest)
);

create table run_model (
    partition integer not null,
    run_id uuid not null,
    model_id text not null collate "C",
    output boolean not null,
    step bigint,
    number bigint not null, -- the position of the entry that linked it
    primary key (partition, run_id, output, model_id)
);

-- A run's whole answer, ready-rendered by the projector once the run has been quiet for a moment. No row: the
-- run changed since, and readers render it themselves.
create table run_document (
    partition integer not null,
    run_id uuid not null,
    document text not null,
    primary key (partition, run_id)
);

-- Metric points, columnar, sorted by (key, step, timestamp, value) within a chunk. A sealed chunk holds one key;
-- the others hold all keys of a run in the key range [first_key, last_key] and wait to be merged, `level` times
-- so far; chunks written together share a `batch`.
create table chunk (
    partition integer not null,
    run_id uuid not null,
    chunk_id bigint generated always as identity,
    batch bigint not null,
    level smallint not null,
    sealed boolean not null,
    first_key text not null collate "C",
    last_key text not null collate "C",
    points integer not null,
    step_min bigint not null,
    step_max bigint not null,
    timestamp_min bigint not null,
    timestamp_max bigint not null,
    summary bytea,
    payload bytea not null,
    primary key (partition, run_id, chunk_id)
);
alter table chunk alter column payload set storage external;
alter table chunk alter column summary set storage external;
create index chunk_sealed on chunk (partition, run_id, first_key, step_min) where sealed;
create index chunk_open on chunk (partition, run_id, level, batch) where not sealed;

create table model (
    partition integer not null,
    model_id text not null collate "C",
    experiment_id bigint not null,
    name text not null collate "C",
    model_type text not null collate "C",
    source_run_id text not null collate "C",
    artifact_uri text not null,
    status smallint not null, -- MLflow's LoggedModelStatus: 1 PENDING, 2 READY, 3 UPLOAD_FAILED
    created_ms bigint not null,
    updated_ms bigint not null,
    deleted boolean not null default false,
    primary key (partition, model_id)
);
create index model_by_age on model (experiment_id, deleted, created_ms desc, model_id);

create table model_param (
    partition integer not null,
    model_id text not null collate "C",
    key text not null collate "C",
    value text not null collate "C",
    primary key (partition, model_id, key)
);

create table model_tag (
    partition integer not null,
    model_id text not null collate "C",
    key text not null collate "C",
    value text not null collate "C",
    primary key (partition, model_id, key)
);

-- Every point of a model's metrics: few beside the runs' own, and told whole in the model's answers. The dataset
-- it was measured on is '' for none.
create table model_metric (
    partition integer not null,
    model_id text not null collate "C",
    key text not null collate "C",
    run_id uuid not null,
    dataset_name text not null collate "C",
    dataset_digest text not null collate "C",
    value double precision not null,
    "timestamp" bigint not null,
    step bigint not null,
    primary key (partition, model_id, key, "timestamp", step, run_id)
);
create index model_metric_by_run on model_metric (run_id);

-- A trace: one request to a program, told as spans.
create table trace (
    partition integer not null,
    trace_id text not null collate "C",
    experiment_id bigint not null,
    timestamp_ms bigint not null,
    duration_ms bigint,
    state text not null collate "C",
    client_request_id text collate "C",
    request_preview text,
    response_preview text,
    primary key (partition, trace_id)
) with (fillfactor = 80);
create index trace_by_age on trace (experiment_id, timestamp_ms desc, trace_id) include (partition);

create table trace_tag (
    partition integer not null,
    trace_id text not null collate "C",
    key text not null collate "C",
    value text not null collate "C",
    start text not null collate "C" generated always as (left(value, 128)) stored,
    primary key (partition, trace_id, key)
);
create index trace_tag_by_value on trace_tag (key, start, trace_id);

create table trace_metadata (
    partition integer not null,
    trace_id text not null collate "C",
    key text not null collate "C",
    value text not null collate "C",
    start text not null collate "C" generated always as (left(value, 128)) stored,
    primary key (partition, trace_id, key)
);
create index trace_metadata_by_value on trace_metadata (key, start, trace_id);

-- Spans: whole, as the bytes of an OTLP TracesData that holds the one, and what is asked about them.
create table span (
    partition integer not null,
    trace_id text not null collate "C",
    span_id text not null collate "C",
    parent_id text collate "C",
    name text not null collate "C",
    type text not null collate "C",
    status text not null collate "C", -- OK, ERROR, UNSET
    start_ns bigint not null,
    content text not null collate "C", -- as MLflow's JSON, for searches and downloads
    usage text, -- tokens and costs, as JSON, where the span states them
    cost text,
    payload bytea not null,
    primary key (partition, trace_id, span_id)
);

-- What is said of traces. The document is all of it, as MLflow's JSON.
create table assessment (
    partition integer not null,
    trace_id text not null collate "C",
    assessment_id text not null collate "C",
    kind text not null collate "C", -- feedback, expectation, issue
    name text not null collate "C",
    value text not null collate "C", -- as JSON
    number double precision, -- the value, where it is one
    valid boolean not null, -- not overridden by another one
    of_session boolean not null, -- said of all traces of the trace's session
    document text not null,
    primary key (partition, trace_id, assessment_id)
);
create index assessment_by_name on assessment (name, kind, trace_id);

-- Traces linked to runs, there or yet to come.
create table trace_run (
    partition integer not null,
    run_id uuid not null,
    trace_id text not null collate "C",
    primary key (partition, run_id, trace_id)
);

-- Files in the artifact store. `directory` is the key (half the SHA-256) of the path that they lie in.
create table artifact (
    partition integer not null,
    directory uuid not null,
    name text not null collate "C",
    path text not null collate "C",
    size_bytes bigint not null,
    sha256 text not null,
    etag text not null,
    recorded_ms bigint not null,
    primary key (partition, directory, name)
);
create index artifact_by_path on artifact (partition, left(path, 500));

-- The directories these files make, with what all below each adds up to; one without files is none.
create table artifact_directory (
    partition integer not null,
    directory uuid not null, -- the one it lies in
    name text not null collate "C",
    path text not null collate "C",
    files bigint not null,
    bytes bigint not null,
    primary key (partition, directory, name)
) with (fillfactor = 70);
create index artifact_directory_by_path on artifact_directory (partition, left(path, 500));

-- What was written, by whom: one row per run, experiment, principal and workspace.
create table usage (
    partition integer not null,
    scope text not null, -- run, experiment, principal, workspace
    subject text not null collate "C",
    entries bigint not null,
    bytes bigint not null, -- of payloads, in the log
    points bigint not null,
    params bigint not null,
    tags bigint not null, -- set, not distinct
    runs bigint not null,
    artifact_files bigint not null, -- recorded, not kept
    artifact_bytes bigint not null,
    primary key (partition, scope, subject)
) with (fillfactor = 70);

insert into checkpoint (partition, position) values (0, 0);
