-- Runs that have no document. $1 uuid[]: among these, or null for any. $2 integer: at most. Rows: (run_id).
select run.run_id
from run
where
    run.partition = 0
    and ($1::uuid[] is null or run.run_id = any($1::uuid[]))
    and not exists (
        select from run_document as ready where ready.partition = run.partition and ready.run_id = run.run_id
    )
limit $2;
