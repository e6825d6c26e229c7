-- Traces as a writer must know them: where they are, whether their spans may come here, and their last entries.
create table tracklog_admission.trace (
    partition integer not null,
    trace_id text not null collate "C",
    experiment_id bigint not null,
    elsewhere boolean not null,
    last_position bigint not null,
    primary key (partition, trace_id)
) with (fillfactor = 70);

create table tracklog_admission.trace_tag (
    partition integer not null,
    trace_id text not null collate "C",
    key text not null collate "C",
    primary key (partition, trace_id, key)
);

-- What is said about traces, whole: a change is answered with all of it.
create table tracklog_admission.assessment (
    partition integer not null,
    trace_id text not null collate "C",
    assessment_id text not null collate "C",
    document text not null, -- MLflow's Assessment, as JSON
    primary key (partition, trace_id, assessment_id)
);
