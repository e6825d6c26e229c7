-- A directory is gone, with those below it. $1 uuid, $2 text: the key of the directory it lies in, and its name.
-- $3, $4 text: the least and greatest start of paths below it. $5 text: what they begin with. No rows.
delete from artifact_directory
where
    partition = 0
    and ((directory = $1 and name = $2) or (left(path, 500) between $3 and $4 and starts_with(path, $5)));
