-- Delete chunks that were merged. $1 uuid: run id. $2 bigint[]: chunk ids. No rows.
delete from chunk where partition = 0 and run_id = $1 and chunk_id = any($2::bigint[]);
