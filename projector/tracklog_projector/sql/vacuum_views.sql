-- Make views that were just filled ready for searches: statistics, and which pages are all visible. Not inside a
-- transaction. No parameters, no rows.
vacuum (analyze)
experiment, run, param, tag, metric, run_document, run_dataset, chunk, model, trace, trace_tag, trace_metadata, span,
assessment, artifact, artifact_directory;
