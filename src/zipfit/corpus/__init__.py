"""Documents in and out: formats, compressed files, remote paths, text of records, bad records. Knows no scoring."""
