-- Uploads expire in all experiments alike now.
drop index tracklog_admission.upload_intent_by_expiry;

-- What uploads under way have reserved counts for limits of storage from now on.
select position from tracklog_log.head where partition = 0 for update;

update tracklog_admission.quota as quota
set used = quota.used + (
    select coalesce(sum(intent.reserved), 0)::bigint
    from tracklog_admission.upload_intent as intent
    inner join tracklog_admission.experiment as experiment
        on experiment.partition = 0 and intent.experiment_id = experiment.experiment_id
    where
        intent.partition = 0
        and intent.counted
        and case quota.scope
            when 'workspace' then experiment.workspace = quota.subject
            when 'experiment' then intent.experiment_id::text = quota.subject
            else intent.principal = quota.subject
        end
)
where quota.partition = 0 and quota.name = 'storage_bytes';
