-- The role that owns the embedded database and as which all of tracklog works: no administrator.
create role tracklog login
