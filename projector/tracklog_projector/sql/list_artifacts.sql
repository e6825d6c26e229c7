-- The items of a directory, in any order. $1 uuid: its key.
-- Rows: (path, size_bytes, sha256, etag, recorded_ms); a directory's size is null.
select path, size_bytes, sha256, etag, recorded_ms
from artifact
where partition = 0 and directory = $1
union all
select path, null, '', '', 0
from artifact_directory
where partition = 0 and directory = $1;
