-- Files in the artifact store as a writer must know them: to count bytes exactly, an overwritten file's are given back.
-- A path is found by its key (half its SHA-256), and those below a directory by their first characters.
create table tracklog_admission.artifact (
    partition integer not null,
    path_key uuid not null,
    path text not null collate "C",
    experiment_id bigint not null,
    run_id uuid,
    size_bytes bigint not null,
    sha256 text not null,
    etag text not null,
    primary key (partition, path_key)
);

create index artifact_by_path on tracklog_admission.artifact (partition, left(path, 500));

-- Uploads that were signed and are neither recorded nor given up. What one may add counts for quotas (`reserved`) until
-- it expires.
create table tracklog_admission.upload_intent (
    partition integer not null,
    path_key uuid not null,
    upload_key uuid not null, -- stands for the path and the upload id
    path text not null collate "C",
    upload_id text not null,
    experiment_id bigint not null,
    run_id uuid,
    size_bytes bigint, -- null, when none was bound
    sha256 text not null,
    expires_at timestamptz not null,
    reserved bigint not null,
    counted boolean not null, -- is `reserved` in the totals
    primary key (partition, path_key, upload_key)
);

create index upload_intent_by_path on tracklog_admission.upload_intent (partition, left(path, 500));
create index upload_intent_by_expiry on tracklog_admission.upload_intent (partition, experiment_id, expires_at)
where counted;

-- What a run or a whole experiment (its run id is all zeros) has in the artifact store.
create table tracklog_admission.artifact_total (
    partition integer not null,
    experiment_id bigint not null,
    run_id uuid not null,
    files bigint not null,
    bytes bigint not null,
    reserved bigint not null,
    last_position bigint not null, -- of the last entry about its artifacts
    primary key (partition, experiment_id, run_id)
) with (fillfactor = 50);
