"""One parallel strategy per file: how it rewrites a block, the collectives it inserts, the plans it allows."""
