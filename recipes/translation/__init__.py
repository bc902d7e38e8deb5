"""Many-to-many: translation."""
