-- The bytes of some things that were purged are gone. $1 bigint[]: the positions that say it. No rows.
with done as (
    delete from tracklog_admission.purge where partition = 0 and position = any($1::bigint[]) and points_gone
)

update tracklog_admission.purge set bytes_gone = true
where partition = 0 and position = any($1::bigint[]) and not points_gone;
