-- Documents. $1 uuid[], $2 text[]: run ids and documents. No rows.
insert into run_document (partition, run_id, document)
select 0, given.* from unnest($1::uuid[], $2::text[]) as given;
