"""Torque, as recorded on its master of June 2020, which calls itself 7-dev.

Settings of its own: `server_name` ("sim"), names of queues that are `stopped` or `disabled`, `resources`, names of
resources that the site has added, and `login_shell` (False): whether the shell of a job reads the files of a login
shell, as the real ones do. `history` is its keep_completed. Jobs in the first queue get what real ones have for
a default: one node, and a walltime of one hour.
"""
