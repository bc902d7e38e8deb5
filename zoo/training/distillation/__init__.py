"""Distillation: a student learns from the answers of teachers, on labelled and unlabelled text."""
