"""What moves jobs, once for every backend: render, quote, run commands, track, remember.

Nothing in here is public; `docs/architecture.md` shows how the pieces fit.
"""
