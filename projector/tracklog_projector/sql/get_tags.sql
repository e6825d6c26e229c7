-- Tags of runs, by key. $1 uuid[]: run ids. Rows: (run_id, key, value).
select run_id, key, value from tag where partition = 0 and run_id = any($1::uuid[]) order by run_id, key;
