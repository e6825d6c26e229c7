-- The embedded database; cannot run inside a transaction.
create database tracklog owner tracklog
