-- A file. $1 uuid, $2 text: the key of the directory it lies in, and its name.
-- Rows: (path, size_bytes, sha256, etag, recorded_ms), or none.
select path, size_bytes, sha256, etag, recorded_ms
from artifact
where partition = 0 and directory = $1 and name = $2;
