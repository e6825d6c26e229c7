-- All runs of an experiment deleted or restored, and their documents dropped. $1 bigint: experiment id.
-- $2 boolean: deleted. $3 bigint: since when, null for restored ones. No rows.
with changed as (
    update run set deleted = $2, deleted_ms = $3 where experiment_id = $1 and deleted <> $2 returning run_id
)

delete from run_document where partition = 0 and run_id in (select run_id from changed);
