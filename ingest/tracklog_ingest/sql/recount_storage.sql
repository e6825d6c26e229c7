-- Count again what those have in the artifact store, uploads under way included, who may store only so much. The caller
-- has the log's turn. No parameters, no rows.
update tracklog_admission.quota as quota
set used = (
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
        case quota.scope
            when 'workspace' then experiment.workspace = quota.subject
            when 'experiment' then kept.experiment_id::text = quota.subject
            else kept.principal = quota.subject
        end
)
where quota.partition = 0 and quota.name = 'storage_bytes';
