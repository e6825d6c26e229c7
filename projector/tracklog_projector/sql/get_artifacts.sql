-- Files. $1 uuid[], $2 text[]: keys of the directories they lie in, and their names.
-- Rows: (path, size_bytes, sha256, etag, recorded_ms), of those there are.
select artifact.path, artifact.size_bytes, artifact.sha256, artifact.etag, artifact.recorded_ms
from unnest($1::uuid[], $2::text[]) as wanted (directory, name)
inner join artifact
    on
        artifact.partition = 0
        and artifact.directory = wanted.directory
        and artifact.name = wanted.name collate "C";
