"""One-to-many: trains a captioner."""
