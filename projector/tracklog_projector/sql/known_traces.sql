-- Which traces are there, as the write side knows. $1 text[]: ids. Rows: (trace_id).
select trace_id from tracklog_admission.trace where partition = 0 and trace_id = any($1::text[]);
