-- A file, or all below a directory, is gone. $1 uuid, $2 text: the key of the directory it lies in, and its name.
-- $3, $4 text: the least and greatest start of paths below it. $5 text: what they begin with.
-- Rows: one (files, bytes): what is gone.
with gone as (
    delete from artifact
    where
        partition = 0
        and ((directory = $1 and name = $2) or (left(path, 500) between $3 and $4 and starts_with(path, $5)))
    returning size_bytes
)

select count(*) as files, coalesce(sum(size_bytes), 0)::bigint as bytes from gone;
