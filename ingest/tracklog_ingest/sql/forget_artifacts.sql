-- Some of the files below a directory are known no more. $1, $2 text: the least and greatest start of their paths.
-- $3 text: what they begin with. $4 integer: at most so many. Rows: one bigint, how many it were.
with gone as (
    delete from tracklog_admission.artifact
    where
        partition = 0
        and path_key in (
            select path_key
            from tracklog_admission.artifact
            where partition = 0 and left(path, 500) between $1 and $2 and starts_with(path, $3)
            limit $4
        )
    returning 1
)

select count(*) from gone;
