-- Everything that administrators limit. No parameters. Rows: (scope, subject, name, most).
select scope, subject, name, most
from tracklog_admission.quota
where partition = 0;
