"""Pairs in models that exist already."""
