-- The bytes of something that was purged are gone. $1 bigint: the position that says it. No rows.
with done as (
    delete from tracklog_admission.purge where partition = 0 and position = $1 and points_gone
)

update tracklog_admission.purge set bytes_gone = true
where partition = 0 and position = $1 and not points_gone;
