-- Datasets that no run uses any more. $1 bigint[]: experiments. $2, $3 text[]: names and digests. No rows.
delete from dataset
using unnest($1::bigint[], $2::text[], $3::text[]) as given (experiment_id, name, digest)
where
    dataset.partition = 0
    and dataset.experiment_id = given.experiment_id
    and dataset.name = given.name collate "C"
    and dataset.digest = given.digest collate "C"
    and not exists (
        select
        from run_dataset as used
        where
            used.experiment_id = dataset.experiment_id
            and used.name = dataset.name
            and used.digest = dataset.digest
    );
