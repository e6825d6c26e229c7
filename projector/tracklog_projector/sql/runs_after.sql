-- The next runs by id. $1 uuid: after this one. $2 integer: at most. Rows: (run_id).
select run_id from run where partition = 0 and run_id > $1 order by run_id limit $2;
