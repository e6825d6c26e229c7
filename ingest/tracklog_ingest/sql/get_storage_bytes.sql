-- The bytes of the files that are in the artifact store. $1 text: scope. $2 text: workspace, experiment id or principal.
-- Rows: one bigint.
select coalesce(sum(artifact.size_bytes), 0)::bigint
from tracklog_admission.artifact as artifact
inner join tracklog_admission.experiment as experiment
    on experiment.partition = 0 and artifact.experiment_id = experiment.experiment_id
where
    artifact.partition = 0
    and case $1
        when 'workspace' then experiment.workspace = $2
        when 'experiment' then artifact.experiment_id::text = $2
        else artifact.principal = $2
    end;
