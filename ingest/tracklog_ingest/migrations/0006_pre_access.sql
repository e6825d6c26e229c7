create schema tracklog_access;

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

-- The whole of admission and append for a group that only logs points, in one round trip: it takes the partition's
-- turn, checks that every run is there, active and within its quota of points, and that every producer's request is its
-- next one, and appends one entry per given run. `producers` has one item per numbered request, and `sequences`,
-- `firsts` and `lasts` its number and which of the entries, counted from 1, are its first and last. Whether the
-- callers may write to these runs is decided before.
-- Returns the last position, or null, having changed nothing, when any of them must be refused or looked at closer.
-- Call it from a connection that plans look-ups by key (sql/plan_by_key.sql).
create function tracklog_admission.append_points(
    run_ids uuid[], counts bigint[], kind smallint, version smallint, workspaces text[], principals text[],
    payloads bytea[], points_max bigint, producers uuid[], sequences bigint[], firsts bigint[], lasts bigint[]
) returns bigint language plpgsql as $$
declare
    begins bigint;
begin
    select head.position into strict begins from tracklog_log.head as head where head.partition = 0 for update;
    if exists (
        select
        from (
            select given.run_id, sum(given.points) as points
            from unnest(run_ids, counts) as given (run_id, points)
            group by given.run_id
        ) as wanted
        left join tracklog_admission.run as run on run.partition = 0 and run.run_id = wanted.run_id
        where run.run_id is null or run.deleted or run.points + wanted.points > points_max
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
