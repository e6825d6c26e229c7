-- The bytes of the files that are in the artifact store, and what uploads under way have reserved. $1 text: scope. $2 text:
-- workspace, experiment id or principal. Rows: one bigint.
select coalesce(sum(kept.bytes), 0)::bigint
from (
    select experiment_id, principal, size_bytes as bytes
    from tracklog_admission.artifact
    where partition = 0
    union all
    select experiment_id, principal, reserved as bytes
    from tracklog_admission.upload_intent
    where partition = 0 and counted
) as kept
inner join tracklog_admission.experiment as experiment
    on experiment.partition = 0 and kept.experiment_id = experiment.experiment_id
where
    case $1
        when 'workspace' then experiment.workspace = $2
        when 'experiment' then kept.experiment_id::text = $2
        else kept.principal = $2
    end;
