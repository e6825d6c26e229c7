-- The schema of the event log and admission as it is after all migrations: for reading. Databases are made by
-- the migrations; tests/conformance/test_schema.py checks that both come to the same.

create schema tracklog_meta;
create schema tracklog_log;
create schema tracklog_admission;
create schema tracklog_access;

-- Which migrations a database has had.
create table tracklog_meta.migration (
    name text primary key,
    digest text not null, -- sha256 of the file
    applied_at timestamptz not null default now()
);

-- One row per partition. Whoever appends locks its row first and keeps the lock until commit. So appends to a
-- partition commit one after the other, positions have no gaps, and a reader that has seen position n can
-- never meet a smaller one later.
create table tracklog_log.head (
    partition integer primary key,
    position bigint not null default 0,
    quotas bigint not null default 0 -- counts changes of quotas
) with (fillfactor = 10);

insert into tracklog_log.head (partition) values (0);

-- One row per accepted batch. Payloads are compressed by us, where they gain from it.
create table tracklog_log.entry (
    partition integer not null,
    position bigint not null,
    experiment_id bigint not null,
    run_id uuid,
    producer_id uuid,
    producer_seq bigint,
    recorded_at timestamptz not null default clock_timestamp(),
    kind smallint not null,
    version smallint not null,
    workspace text not null,
    principal text not null,
    payload bytea not null,
    primary key (partition, position),
    check ((producer_id is null) = (producer_seq is null))
);
alter table tracklog_log.entry alter column payload set storage external;

create unique index entry_by_producer on tracklog_log.entry (partition, producer_id, producer_seq)
where producer_id is not null;

-- How many runs a day has had already is counted when they are limited. Kind 10 is a run's creation.
create index entry_of_run_created on tracklog_log.entry (partition, recorded_at) where kind = 10;

-- Entries stay as they were appended, for ever, but for one thing: what a run logged (kind 14) becomes a tombstone (kind 0)
-- of a few bytes once a later entry (kind 42) has purged that run.
create index entry_of_purge on tracklog_log.entry (partition, run_id) where kind = 42;

create function tracklog_log.refuse_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' then
        if
            old.kind = 14 and new.kind = 0 and new.version = 1 and octet_length(new.payload) <= 64
            and (
                old.partition, old.position, old.experiment_id, old.run_id, old.producer_id, old.producer_seq,
                old.recorded_at, old.workspace, old.principal
            ) is not distinct from (
                new.partition, new.position, new.experiment_id, new.run_id, new.producer_id, new.producer_seq,
                new.recorded_at, new.workspace, new.principal
            )
            and exists (
                select
                from tracklog_log.entry as purge
                where
                    purge.partition = old.partition
                    and purge.run_id = old.run_id
                    and purge.kind = 42
                    and purge.position > old.position
            )
        then
            return new;
        end if;
    end if;
    raise exception 'the event log is append-only: % on tracklog_log.entry is refused', tg_op
        using errcode = 'restrict_violation';
end $$;

create trigger entry_is_append_only
before update or delete on tracklog_log.entry
for each row execute function tracklog_log.refuse_change();

create trigger entry_is_never_truncated
before truncate on tracklog_log.entry
for each statement execute function tracklog_log.refuse_change();

create sequence tracklog_admission.experiment_id;

create table tracklog_admission.experiment (
    partition integer not null,
    experiment_id bigint not null,
    workspace text not null,
    name text not null,
    artifact_location text not null,
    deleted boolean not null default false,
    runs bigint not null default 0,
    tags integer not null default 0,
    last_position bigint not null,
    primary key (partition, experiment_id)
) with (fillfactor = 50);

create unique index experiment_by_name on tracklog_admission.experiment (workspace, name);

create table tracklog_admission.experiment_tag (
    partition integer not null,
    experiment_id bigint not null,
    key text not null collate "C",
    primary key (partition, experiment_id, key)
);

-- A run as a writer must know it: what runs/update answers, what quotas count, and where its last entry is.
create table tracklog_admission.run (
    partition integer not null,
    run_id uuid not null,
    experiment_id bigint not null,
    name text not null,
    user_id text not null,
    artifact_uri text not null,
    status smallint not null,
    start_ms bigint not null,
    end_ms bigint,
    deleted boolean not null default false,
    points bigint not null default 0,
    params integer not null default 0,
    tags integer not null default 0,
    last_position bigint not null,
    purged boolean not null default false, -- gone for good; the id is not given again
    primary key (partition, run_id)
) with (fillfactor = 50);

create index run_by_experiment on tracklog_admission.run (partition, experiment_id);

-- Params keep their values: a second, different value is refused and the answer names the first.
create table tracklog_admission.param (
    partition integer not null,
    run_id uuid not null,
    key text not null collate "C",
    value text not null,
    primary key (partition, run_id, key)
);

create table tracklog_admission.tag (
    partition integer not null,
    run_id uuid not null,
    key text not null collate "C",
    primary key (partition, run_id, key)
);

create table tracklog_admission.model (
    partition integer not null,
    model_id text not null collate "C",
    experiment_id bigint not null,
    deleted boolean not null default false,
    last_position bigint not null,
    primary key (partition, model_id)
);

create table tracklog_admission.model_tag (
    partition integer not null,
    model_id text not null collate "C",
    key text not null collate "C",
    primary key (partition, model_id, key)
);

create table tracklog_admission.model_param (
    partition integer not null,
    model_id text not null collate "C",
    key text not null collate "C",
    value text not null,
    primary key (partition, model_id, key)
);

-- Who sends numbered requests, through the native lane: the last request of each and what it was answered, so that
-- one sent again is answered again, and stored once.
create table tracklog_admission.producer (
    partition integer not null,
    producer_id uuid not null,
    sequence bigint not null,
    position bigint, -- of the request's last entry; null, when nothing of it was stored
    rejected bytea, -- what was not stored of it, packed by us; null, when all was
    primary key (partition, producer_id)
) with (fillfactor = 50);
alter table tracklog_admission.producer alter column rejected set storage external;

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
    principal text not null default '', -- who stored it
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
    principal text not null default '', -- who had it signed
    primary key (partition, path_key, upload_key)
);

create index upload_intent_by_path on tracklog_admission.upload_intent (partition, left(path, 500));
create index upload_intent_by_time on tracklog_admission.upload_intent (partition, expires_at) where counted;

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

-- Tenants of one server. Members have `default_level` on every experiment of theirs (contract's Level).
create table tracklog_access.workspace (
    name text primary key collate "C",
    description text not null default '',
    default_level smallint not null default 1,
    created_at timestamptz not null default now()
);

insert into tracklog_access.workspace (name) values ('default');

-- Who may sign in: people and programs. `home` is the workspace of requests that name none.
create table tracklog_access.principal (
    principal_id bigint generated always as identity primary key,
    name text not null collate "C",
    service boolean not null,
    admin boolean not null,
    disabled boolean not null default false,
    home text not null collate "C" references tracklog_access.workspace (name),
    password bytea, -- scrypt's salt and digest; null: signs in by other means only
    created_at timestamptz not null default now(),
    unique (name)
);

-- A token has 256 random bits, so its SHA-256 tells nothing of it. `token_id`: its beginning, for recognition.
create table tracklog_access.token (
    token_id text primary key collate "C",
    digest bytea not null,
    principal_id bigint not null references tracklog_access.principal (principal_id) on delete cascade,
    workspace text collate "C", -- the only one it is good for; null: any of its principal's
    comment text not null default '',
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked boolean not null default false,
    unique (digest)
);
create index token_by_principal on tracklog_access.token (principal_id);

-- Groups, of the whole server (no workspace), and roles, of one workspace each.
create table tracklog_access.team (
    team_id bigint generated always as identity primary key,
    kind text not null check (kind in ('group', 'role')),
    workspace text not null collate "C" default '',
    name text not null collate "C",
    description text not null default '',
    check ((kind = 'group') = (workspace = '')),
    unique (kind, workspace, name)
);

create table tracklog_access.member (
    member_id bigint generated always as identity unique,
    team_id bigint not null references tracklog_access.team (team_id) on delete cascade,
    principal_id bigint not null references tracklog_access.principal (principal_id) on delete cascade,
    primary key (principal_id, team_id)
);
create index member_by_team on tracklog_access.member (team_id);

-- What a principal, or a team's members, may do with one thing of a workspace, or ('*') all of a type: 'workspace' (as
-- such, '*' only) or 'experiment'.
create table tracklog_access.permission (
    permission_id bigint generated always as identity primary key,
    workspace text not null collate "C",
    principal_id bigint references tracklog_access.principal (principal_id) on delete cascade,
    team_id bigint references tracklog_access.team (team_id) on delete cascade,
    resource_type text not null collate "C",
    resource_id text not null collate "C",
    level smallint not null,
    check ((principal_id is null) <> (team_id is null))
);
create unique index permission_of_principal
on tracklog_access.permission (principal_id, workspace, resource_type, resource_id)
where principal_id is not null;
create unique index permission_of_team
on tracklog_access.permission (team_id, workspace, resource_type, resource_id)
where team_id is not null;
create index permission_on on tracklog_access.permission (workspace, resource_type, resource_id);

-- Who is signed in to the web page. `digest`: of the cookie's 256 random bits.
create table tracklog_access.session (
    digest bytea primary key,
    principal_id bigint not null references tracklog_access.principal (principal_id) on delete cascade,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null
);

-- Counts changes of the tables above: who keeps something of them asks whether it still holds.
create table tracklog_access.version (number bigint not null) with (fillfactor = 10);

insert into tracklog_access.version (number) values (0);

-- What signs the URLs by which clients without a header of their own write and read the data of one trace for a while.
create table tracklog_access.url_key (key bytea not null);

insert into tracklog_access.url_key (key)
select sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));

-- What was purged and is not gone altogether yet: the bytes below `path` in the artifact store, and the points of the run
-- in the log. Garbage collection that is stopped goes on from here.
create table tracklog_admission.purge (
    partition integer not null,
    position bigint not null, -- of the entry that says it
    run_id uuid, -- null, when it is no run
    path text not null collate "C", -- '' for none
    bytes_gone boolean not null,
    points_gone boolean not null,
    primary key (partition, position)
);

create index purge_by_run on tracklog_admission.purge (partition, run_id) where not points_gone;

-- How far the log has been gone through to take out points of runs that were purged up to `until`. No row: not begun.
create table tracklog_admission.log_sweep (
    partition integer primary key,
    until bigint not null,
    position bigint not null
) with (fillfactor = 10);

-- What administrators limit, beside the server's own quotas. `used` is of all that the scope has together: bytes; runs
-- since the UTC day of `at` began; of rates how full the bucket was at `at`, in thousandths of a point or request.
create table tracklog_admission.quota (
    partition integer not null,
    scope text not null check (scope in ('workspace', 'experiment', 'principal')),
    subject text not null collate "C",
    name text not null collate "C",
    most bigint not null,
    used bigint not null default 0,
    at timestamptz not null default clock_timestamp(),
    primary key (partition, scope, subject, name)
) with (fillfactor = 50);

-- The whole of admission and append for a group that only logs points, in one round trip: it takes the partition's
-- turn, checks that every run is there, active and within its quota of points, and that every producer's request is its
-- next one, and appends one entry per given run. `producers` has one item per numbered request, and `sequences`,
-- `firsts` and `lasts` its number and which of the entries, counted from 1, are its first and last. Whether the
-- callers may write to these runs is decided before, and so is how many points each run may have (`points_max`), as of
-- the `quotas` that the head has: when they have changed since, or 80 % of a run's are used from now on, it needs a
-- closer look too.
-- Returns the last position, or null, having changed nothing, when any of them must be refused or looked at closer.
-- Call it from a connection that plans look-ups by key (sql/plan_by_key.sql).
create function tracklog_admission.append_points(
    run_ids uuid[], counts bigint[], kind smallint, version smallint, workspaces text[], principals text[],
    payloads bytea[], points_max bigint, quotas bigint, producers uuid[], sequences bigint[], firsts bigint[], lasts bigint[]
) returns bigint language plpgsql as $$
declare
    begins bigint;
    quotas_now bigint;
    warns_at constant bigint := (points_max * 8 + 9) / 10;
begin
    select head.position, head.quotas into strict begins, quotas_now
    from tracklog_log.head as head where head.partition = 0 for update;
    if quotas_now <> append_points.quotas or exists (
        select
        from (
            select given.run_id, sum(given.points) as points
            from unnest(run_ids, counts) as given (run_id, points)
            group by given.run_id
        ) as wanted
        left join tracklog_admission.run as run on run.partition = 0 and run.run_id = wanted.run_id
        where run.run_id is null or run.deleted or run.points + wanted.points > points_max
            or (run.points < warns_at and run.points + wanted.points >= warns_at)
    ) then
        return null;
    end if;
    if cardinality(producers) > 0 then
        if exists (
            select
            from unnest(producers, sequences) as given (producer_id, sequence)
            left join tracklog_admission.producer as producer
                on producer.partition = 0 and producer.producer_id = given.producer_id
            group by given.producer_id
            having count(*) > 1 or max(given.sequence) <> coalesce(max(producer.sequence), 0) + 1
        ) then
            return null;
        end if;
        insert into tracklog_admission.producer as producer (partition, producer_id, sequence, position)
        select 0, given.producer_id, given.sequence, begins + given.last
        from unnest(producers, sequences, lasts) as given (producer_id, sequence, last)
        on conflict (partition, producer_id) do update
        set sequence = excluded.sequence, position = excluded.position, rejected = null;
    end if;
    insert into tracklog_log.entry (
        partition, position, experiment_id, run_id, producer_id, producer_seq, kind, version, workspace, principal,
        payload
    )
    select
        0, begins + given.number, run.experiment_id, given.run_id, request.producer_id, request.sequence,
        append_points.kind, append_points.version, given.workspace, given.principal, given.payload
    from unnest(run_ids, payloads, workspaces, principals) with ordinality
        as given (run_id, payload, workspace, principal, number)
    left join tracklog_admission.run as run on run.partition = 0 and run.run_id = given.run_id
    left join unnest(producers, sequences, firsts) as request (producer_id, sequence, first)
        on request.first = given.number;
    with touched as (
        update tracklog_admission.run as run
        set last_position = begins + wanted.number, points = run.points + wanted.points
        from (
            select given.run_id, max(given.number) as number, sum(given.points)::bigint as points
            from unnest(run_ids, counts) with ordinality as given (run_id, points, number)
            group by given.run_id
        ) as wanted
        where run.partition = 0 and run.run_id = any(run_ids) and run.run_id = wanted.run_id
        returning run.experiment_id, run.last_position
    )
    update tracklog_admission.experiment as experiment set last_position = latest.position
    from (
        select touched.experiment_id, max(touched.last_position) as position from touched group by 1
    ) as latest
    where experiment.partition = 0 and experiment.experiment_id = latest.experiment_id;
    update tracklog_log.head as head set position = begins + cardinality(run_ids) where head.partition = 0;
    perform pg_notify('tracklog_log', '');
    return begins + cardinality(run_ids);
end $$;
