-- Producers of numbered requests. $1 uuid[]: ids. Rows: (producer_id, sequence, position, rejected), of those known.
select producer_id, sequence, position, rejected
from tracklog_admission.producer
where partition = 0 and producer_id = any($1::uuid[]);
