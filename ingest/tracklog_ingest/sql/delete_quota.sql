-- Limit something no longer. $1, $2, $3 text: scope, subject, name. Rows: (most), or none when it was not limited.
delete from tracklog_admission.quota
where partition = 0 and scope = $1 and subject = $2 and name = $3
returning most;
