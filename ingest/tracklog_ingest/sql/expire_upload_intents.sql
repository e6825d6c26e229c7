-- Give back what expired uploads had reserved. $1 double precision: now, in seconds since 1970. $2 integer: of so many
-- uploads at most, those that expired first. No rows.
with due as (
    select path_key, upload_key
    from tracklog_admission.upload_intent
    where partition = 0 and counted and expires_at <= to_timestamp($1)
    order by expires_at
    limit $2
),

expired as (
    update tracklog_admission.upload_intent as intent set counted = false
    from due
    where intent.partition = 0 and intent.path_key = due.path_key and intent.upload_key = due.upload_key
    returning intent.experiment_id, intent.run_id, intent.principal, intent.reserved
),

totals as (
    update tracklog_admission.artifact_total as total set reserved = total.reserved - freed.reserved
    from (
        select given.experiment_id, given.run_id, sum(given.reserved)::bigint as reserved
        from (
            select experiment_id, run_id, reserved from expired where run_id is not null
            union all
            select experiment_id, '00000000-0000-0000-0000-000000000000'::uuid, reserved from expired
        ) as given
        group by given.experiment_id, given.run_id
    ) as freed
    where total.partition = 0 and total.experiment_id = freed.experiment_id and total.run_id = freed.run_id
)

update tracklog_admission.quota as quota set used = greatest(0, quota.used - freed.reserved)
from (
    select given.scope, given.subject, sum(given.reserved)::bigint as reserved
    from (
        select 'workspace' as scope, experiment.workspace as subject, expired.reserved
        from expired
        inner join tracklog_admission.experiment as experiment
            on experiment.partition = 0 and expired.experiment_id = experiment.experiment_id
        union all
        select 'experiment', experiment_id::text, reserved from expired
        union all
        select 'principal', principal, reserved from expired
    ) as given
    group by given.scope, given.subject
) as freed
where
    quota.partition = 0
    and quota.name = 'storage_bytes'
    and quota.scope = freed.scope
    and quota.subject = freed.subject collate "C";
