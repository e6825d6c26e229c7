-- Note each producer's last request. $1 uuid[]: ids. $2 bigint[]: sequence numbers. $3 bigint[]: positions or nulls.
-- $4 bytea[]: packed rejections or nulls. No rows.
insert into tracklog_admission.producer (partition, producer_id, sequence, position, rejected)
select 0, given.* from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bytea[]) as given
on conflict (partition, producer_id) do update
set sequence = excluded.sequence, position = excluded.position, rejected = excluded.rejected;
