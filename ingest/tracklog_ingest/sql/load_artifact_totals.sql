-- What runs and experiments have in the artifact store. $1 bigint[], $2 uuid[]: experiments and runs, pairwise.
-- Rows: (experiment_id, run_id, files, bytes, reserved), of those that ever had something.
select total.experiment_id, total.run_id, total.files, total.bytes, total.reserved
from unnest($1::bigint[], $2::uuid[]) as wanted (experiment_id, run_id)
inner join tracklog_admission.artifact_total as total
    on total.partition = 0 and total.experiment_id = wanted.experiment_id and total.run_id = wanted.run_id;
