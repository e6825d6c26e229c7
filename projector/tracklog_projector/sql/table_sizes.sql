-- How large the tables are that are rewritten as they are filled. No parameters.
-- Rows: one (chunk_bytes, metric_rows): bytes on disk with payloads; rows as last estimated.
select
    pg_table_size('chunk') as chunk_bytes,
    (select greatest(reltuples, 0)::bigint from pg_class where oid = 'metric'::regclass) as metric_rows;
