-- A dataset of an experiment, the first description of it. $1 bigint: experiment id. $2..$5 text: name, digest,
-- source type, source. $6, $7 text: schema and profile, or null. No rows.
insert into dataset (partition, experiment_id, name, digest, source_type, source, schema, profile)
values (0, $1, $2, $3, $4, $5, $6, $7)
on conflict do nothing;
