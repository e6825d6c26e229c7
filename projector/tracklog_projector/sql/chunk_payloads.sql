-- Chunks' payloads, oldest batch first. $1 uuid: run id. $2 bigint[]: chunk ids. Rows: (payload).
select payload
from chunk
where partition = 0 and run_id = $1 and chunk_id = any($2::bigint[])
order by batch, chunk_id;
