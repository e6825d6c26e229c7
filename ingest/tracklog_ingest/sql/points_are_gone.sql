-- No points are left in the log of runs that were purged up to a position. $1 bigint: position. No rows.
with done as (
    delete from tracklog_admission.purge where partition = 0 and position <= $1 and bytes_gone
)

update tracklog_admission.purge set points_gone = true
where partition = 0 and position <= $1 and not bytes_gone;
