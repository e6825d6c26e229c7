-- Where the last entry of any of these experiments is, 0 when they have none. $1 bigint[]: ids, or null for all.
-- Rows: one bigint.
select coalesce(max(last_position), 0)
from tracklog_admission.experiment
where partition = 0 and ($1::bigint[] is null or experiment_id = any($1::bigint[]));
