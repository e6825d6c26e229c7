-- A schema of this database that bears one of our names. No parameters. Rows: one text, or none.
select nspname
from pg_catalog.pg_namespace
where nspname in ('tracklog_meta', 'tracklog_log', 'tracklog_admission', 'tracklog_access', 'tracklog_view')
limit 1;
