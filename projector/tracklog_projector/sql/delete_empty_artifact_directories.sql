-- Those of these directories that have no files are gone. $1 uuid[], $2 text[]: keys of the directories they lie in,
-- and names. No rows.
delete from artifact_directory as known
using unnest($1::uuid[], $2::text[]) as given (directory, name)
where
    known.partition = 0
    and known.directory = given.directory
    and known.name = given.name collate "C"
    and known.files = 0;
