-- Uploads intended at a path. $1 uuid: the path's key.
-- Rows: (path, size_bytes, expires_at_s, upload_id, sha256), by upload id.
select path, size_bytes, extract(epoch from expires_at)::double precision as expires_at_s, upload_id, sha256
from tracklog_admission.upload_intent
where partition = 0 and path_key = $1
order by upload_id;
