-- Is there anything in a workspace, or anyone at home there. $1 text: name. Rows: one boolean.
select
    exists (select from tracklog_admission.experiment where workspace = $1)
    or exists (select from tracklog_access.principal where home = $1);
