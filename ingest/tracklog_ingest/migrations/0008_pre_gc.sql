-- A purged run stays known by its id alone, which cannot be given again.
alter table tracklog_admission.run add column purged boolean not null default false;

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

-- Entries stay as they were appended, for ever, but for one thing: what a run logged (kind 14) becomes a tombstone (kind 0)
-- of a few bytes once a later entry (kind 42) has purged that run.
create index entry_of_purge on tracklog_log.entry (partition, run_id) where kind = 42;

create or replace function tracklog_log.refuse_change() returns trigger language plpgsql as $$
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
