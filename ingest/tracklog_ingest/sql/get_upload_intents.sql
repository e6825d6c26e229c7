-- Uploads intended at a path and below it. $1 uuid: the path's key. $2, $3 text: the least and greatest start of paths
-- below it. $4 text: what they begin with.
-- Rows: (path, size_bytes, expires_at_s, upload_id, sha256), by path.
select path, size_bytes, extract(epoch from expires_at)::double precision as expires_at_s, upload_id, sha256
from tracklog_admission.upload_intent
where
    partition = 0
    and (path_key = $1 or (left(path, 500) between $2 and $3 and starts_with(path, $4)))
order by path, upload_id;
