"""Pages of other servers: reverse and forward proxy."""
