alter table tracklog_log.head add column quotas bigint not null default 0; -- counts changes of quotas

alter table tracklog_admission.artifact add column principal text not null default ''; -- who stored it

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
