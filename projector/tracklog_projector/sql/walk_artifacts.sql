-- A page of the files below a directory, by path. $1, $2 text: the least and greatest start of their paths.
-- $3 text: what they begin with. $4 text: the path after which the page begins. $5 integer: files at most.
-- Rows: (path, size_bytes, sha256, etag, recorded_ms).
select path, size_bytes, sha256, etag, recorded_ms
from artifact
where partition = 0 and left(path, 500) between $1 and $2 and starts_with(path, $3) and path > $4
order by left(path, 500), path
limit $5;
