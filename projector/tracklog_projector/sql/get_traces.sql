-- Traces. $1 text[]: ids. Rows: (trace_id, experiment_id, timestamp_ms, state, duration_ms, client_request_id,
-- request_preview, response_preview), of those there are.
select
    trace_id, experiment_id, timestamp_ms, state, duration_ms, client_request_id, request_preview,
    response_preview
from trace
where partition = 0 and trace_id = any($1::text[]);
