-- Uploads that were recorded or given up. $1, $2 uuid[]: keys of paths, and of paths and upload ids. No rows.
delete from tracklog_admission.upload_intent as intent
using unnest($1::uuid[], $2::uuid[]) as given (path_key, upload_key)
where intent.partition = 0 and intent.path_key = given.path_key and intent.upload_key = given.upload_key;
