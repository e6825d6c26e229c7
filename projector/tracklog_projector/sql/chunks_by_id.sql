-- Chunks' payloads. $1 uuid: run id. $2 bigint[]: chunk ids. Rows: (chunk_id, payload).
select chunk_id, payload from chunk where partition = 0 and run_id = $1 and chunk_id = any($2::bigint[]);
