-- Documents that are ready. $1 uuid[]: run ids. Rows: (run_id, document).
select run_id, document from run_document where partition = 0 and run_id = any($1::uuid[]);
