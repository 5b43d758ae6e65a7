"""The results dashboard: receives the reports of conformance runs, keeps them, and shows them as pages.

A report comes in through `api`, is read by `report` and kept by `storing`; `refreshing` then brings up to date what is
known of its series (the runs of one executor and version on one host). Pages and the JSON API ask `queries`, never the
tables. Everything here belongs to the extra `dashboard`.
"""
