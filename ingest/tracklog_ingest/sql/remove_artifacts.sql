-- Files that are gone from the artifact store: one, or a directory with all it held. $1 uuid: the path's key.
-- $2, $3 text: the least and greatest start of paths below it. $4 text: what they begin with. No rows.
delete from tracklog_admission.artifact
where
    partition = 0
    and (path_key = $1 or (left(path, 500) between $2 and $3 and starts_with(path, $4)));
