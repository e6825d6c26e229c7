-- The tags of traces. $1 text[]: trace ids. Rows: (trace_id, key, value), by key.
select trace_id, key, value from trace_tag
where partition = 0 and trace_id = any($1::text[])
order by key;
