-- All assessments of some traces. $1 text[]: trace ids. Rows: (trace_id, assessment_id, document).
select trace_id, assessment_id, document
from tracklog_admission.assessment
where partition = 0 and trace_id = any($1::text[]);
