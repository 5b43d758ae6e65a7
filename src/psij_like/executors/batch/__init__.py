"""Batch schedulers: what is true of one each."""
