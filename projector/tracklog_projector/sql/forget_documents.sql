-- Drop the documents of runs that changed. $1 uuid[]: run ids. No rows.
delete from run_document where partition = 0 and run_id = any($1::uuid[]);
