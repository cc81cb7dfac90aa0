"""Pairs while a network trains: schedules, and records of what they see and report."""
