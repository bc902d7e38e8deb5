"""Synced many-to-many: tagging."""
