-- Who may make only so many requests a second. $1 text: the limit's name. Rows: (scope, subject, most).
select scope, subject, most
from tracklog_admission.quota
where partition = 0 and name = $1;
