-- Count again what those have in the artifact store who may store only so much. The caller has the log's turn. No
-- parameters, no rows.
update tracklog_admission.quota as quota
set used = (
    select coalesce(sum(artifact.size_bytes), 0)::bigint
    from tracklog_admission.artifact as artifact
    inner join tracklog_admission.experiment as experiment
        on experiment.partition = 0 and artifact.experiment_id = experiment.experiment_id
    where
        artifact.partition = 0
        and case quota.scope
            when 'workspace' then experiment.workspace = quota.subject
            when 'experiment' then artifact.experiment_id::text = quota.subject
            else artifact.principal = quota.subject
        end
)
where quota.partition = 0 and quota.name = 'storage_bytes';
