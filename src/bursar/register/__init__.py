"""The register of claims: published numbers and statements, replayed by asking bursar what a user would ask."""
