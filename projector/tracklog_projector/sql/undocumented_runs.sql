-- Those of some runs that have no document. $1 uuid[]: run ids. Rows: (run_id).
select run.run_id
from run
where
    run.partition = 0
    and run.run_id = any($1::uuid[])
    and not exists (
        select from run_document as ready where ready.partition = run.partition and ready.run_id = run.run_id
    );
