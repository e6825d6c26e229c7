-- A tag's value. $1 uuid: run id. $2 text: key. Rows: one text, or none.
select value from tag where partition = 0 and run_id = $1 and key = $2;
