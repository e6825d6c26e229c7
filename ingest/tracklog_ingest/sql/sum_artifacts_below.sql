-- The files that a directory or file in the artifact store is or holds. $1 uuid: the path's key. $2, $3 text: the least
-- and greatest start of paths below it. $4 text: what they begin with. Rows: (experiment_id, run_id, principal,
-- files, bytes).
select experiment_id, run_id, principal, count(*) as files, sum(size_bytes)::bigint as bytes
from (
    select experiment_id, run_id, principal, size_bytes
    from tracklog_admission.artifact
    where partition = 0 and path_key = $1
    union all
    select experiment_id, run_id, principal, size_bytes
    from tracklog_admission.artifact
    where partition = 0 and left(path, 500) between $2 and $3 and starts_with(path, $4)
) as found
group by experiment_id, run_id, principal;
