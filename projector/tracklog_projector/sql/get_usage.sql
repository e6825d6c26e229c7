-- What was written, by whom and to what. $1, $2 text[]: scopes and subjects, pairwise.
-- Rows: (scope, subject, entries, bytes, points, params, tags, runs, artifact_files, artifact_bytes), of those there are.
select
    usage.scope,
    usage.subject,
    usage.entries,
    usage.bytes,
    usage.points,
    usage.params,
    usage.tags,
    usage.runs,
    usage.artifact_files,
    usage.artifact_bytes
from unnest($1::text[], $2::text[]) as wanted (scope, subject)
inner join usage
    on usage.partition = 0 and wanted.scope = usage.scope and wanted.subject = usage.subject collate "C";
