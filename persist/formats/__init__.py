"""The syntaxes of a snapshot file, one module each with its `FORMAT`; `table` lists them."""
