-- How large files are that are there. $1 uuid[], $2 text[]: keys of directories, and names in them.
-- Rows: (path, size_bytes).
select artifact.path, artifact.size_bytes
from unnest($1::uuid[], $2::text[]) as wanted (directory, name)
inner join artifact
    on
        artifact.partition = 0
        and artifact.directory = wanted.directory
        and artifact.name = wanted.name collate "C";
