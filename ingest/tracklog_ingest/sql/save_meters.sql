-- What is used of limits now. $1, $2, $3 text[]: scopes, subjects, names. $4 bigint[]: used. $5 double precision[]: when,
-- in seconds since 1970. No rows.
update tracklog_admission.quota as quota
set used = given.used, at = to_timestamp(given.at_s)
from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::double precision[])
    as given (scope, subject, name, used, at_s)
where
    quota.partition = 0
    and quota.scope = given.scope
    and quota.subject = given.subject collate "C"
    and quota.name = given.name collate "C";
