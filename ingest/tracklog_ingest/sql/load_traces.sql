-- Traces. $1 text[]: ids. Rows: (trace_id, experiment_id, elsewhere), of those there are.
select trace_id, experiment_id, elsewhere
from tracklog_admission.trace
where partition = 0 and trace_id = any($1::text[]);
