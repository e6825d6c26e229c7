-- Ids for new experiments; one that is not used leaves a gap. $1 integer: how many. Rows: (experiment_id bigint).
select nextval('tracklog_admission.experiment_id') as experiment_id
from generate_series(1, $1::integer);
