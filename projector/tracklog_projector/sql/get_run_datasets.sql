-- Datasets of runs, in order of first use. $1 uuid[]: run ids.
-- Rows: (run_id, tags, name, digest, source_type, source, schema, profile).
select
    used.run_id,
    used.tags::text as tags,
    dataset.name,
    dataset.digest,
    dataset.source_type,
    dataset.source,
    dataset.schema,
    dataset.profile
from run_dataset as used
inner join dataset
    on
        dataset.partition = used.partition
        and dataset.experiment_id = used.experiment_id
        and dataset.name = used.name
        and dataset.digest = used.digest
where used.partition = 0 and used.run_id = any($1::uuid[])
order by used.run_id, used.number;
