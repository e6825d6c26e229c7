-- A page of the uploads intended at a path and below it, by path. $1 uuid: the path's key. $2, $3 text: the least and
-- greatest start of paths below it. $4 text: what they begin with. $5 text: the path after which the page begins.
-- $6 bigint: below the path so many, and more of the last one's path. The path's own are on the first page.
-- Rows: (path, size_bytes, expires_at_s, upload_id, sha256).
with found as (
    select path, size_bytes, expires_at, upload_id, sha256
    from tracklog_admission.upload_intent
    where partition = 0 and path_key = $1 and path > $5
    union all
    (
        select path, size_bytes, expires_at, upload_id, sha256
        from tracklog_admission.upload_intent
        where partition = 0 and left(path, 500) between $2 and $3 and starts_with(path, $4) and path > $5
        order by left(path, 500), path
        fetch first $6 rows with ties
    )
)

select path, size_bytes, extract(epoch from expires_at)::double precision as expires_at_s, upload_id, sha256
from found
order by path, upload_id;
