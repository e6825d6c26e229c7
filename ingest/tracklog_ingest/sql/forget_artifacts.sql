-- Some of the files below some directories are known no more. $1, $2 text[]: the least and greatest start of paths below
-- each. $3 text[]: what they begin with. $4 integer: at most so many. Rows: one bigint, how many it were.
with gone as (
    delete from tracklog_admission.artifact
    where
        partition = 0
        and path_key in (
            select artifact.path_key
            from unnest($1::text[], $2::text[], $3::text[]) as given (least, greatest, prefix)
            cross join lateral (
                select path_key
                from tracklog_admission.artifact as known
                where
                    known.partition = 0
                    and left(known.path, 500) between given.least and given.greatest
                    and starts_with(known.path, given.prefix)
                offset 0
            ) as artifact
            limit $4
        )
    returning 1
)

select count(*) from gone;
