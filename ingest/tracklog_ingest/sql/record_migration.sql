-- Write down an applied migration. $1 text: file name. $2 text: sha256 of the file. No rows.
insert into tracklog_meta.migration (name, digest) values ($1, $2);
